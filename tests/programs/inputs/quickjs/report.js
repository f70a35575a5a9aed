// Reads a CSV file, computes, writes JSON: qjs's own modules std and os.
import * as std from "qjs:std";
import * as os from "qjs:os";

const [header, ...rows] = std.loadFile("prices.csv").trim().split("\n").map((line) => line.split(","));
const items = rows.map((row) => Object.fromEntries(header.map((name, index) => [name, row[index]])));
const total = items.reduce((sum, { price, count }) => sum + Number(price) * Number(count), 0);
const digits = [...(2n ** 521n - 1n).toString()].reduce((sum, digit) => sum + Number(digit), 0);

os.mkdir("out");
const file = std.open("out/report.json", "w");
file.puts(JSON.stringify({ items, total, digits }, null, 2));
file.close();

const [names, error] = os.readdir(".");
console.log(names.filter((name) => !name.startsWith(".")).sort().join(" "), error);
const [status] = os.stat("out/report.json");
console.log(status.size, (status.mode & os.S_IFMT) === os.S_IFREG);
os.rename("out/report.json", "out/final.json");
console.log(os.stat("out/report.json")[1] !== 0, total);
try {
  null.field;
} catch (error) {
  console.log(error instanceof TypeError, error.message);
}
std.exit(3);
