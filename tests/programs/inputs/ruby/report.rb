require "csv"
require "digest"
require "fileutils"
require "json"
require "set"

rows = CSV.read("/work/prices.csv", headers: true).map(&:to_h)
total = rows.sum { |row| row["price"].to_f * row["count"].to_i }
FileUtils.mkdir_p("/work/out/deep")
File.write("/work/out/report.json", JSON.pretty_generate(rows: rows, total: total))
File.open("/work/out/deep/lines.txt", "w") { |file| 1.upto(1000) { |n| file.puts "#{n}: #{n**20}" } }
File.open("/work/out/deep/lines.txt", "r+") do |file|
  file.seek(-20, IO::SEEK_END)
  puts file.read.inspect
end
puts Digest::SHA256.hexdigest(File.binread("/work/out/deep/lines.txt"))
puts Dir.glob("/work/**/*").sort.map { |path| path.delete_prefix("/work/") }.inspect
File.rename("/work/out/deep/lines.txt", "/work/out/lines.txt")
Dir.rmdir("/work/out/deep")
puts File.stat("/work/out/lines.txt").size, File.file?("/work/out"), rows.to_set.size
begin
  File.read("/work/missing")
rescue SystemCallError => error
  puts error.class, error.message
end
puts format("%.3f %s %p", total, "ü".encode("UTF-16LE").bytes.inspect, ENV["GREETING"])
warn "to stderr"
$stdout.flush # nothing ends the interpreter
