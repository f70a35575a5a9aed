use strict;
use warnings;

my ($work) = @ARGV;
open(my $in, '<', "$work/log.txt") or die "no log: $!";
my %seen;
while (my $line = <$in>) {
    next unless $line =~ /^(?<host>\S+) \[(?<day>\d{4}-\d\d-\d\d)\] "(?<verb>[A-Z]+) (?<path>[^"]+)" (\d+)$/;
    $seen{"$+{verb} $+{path}"} += $5;
}
close $in;

mkdir "$work/out" or die "mkdir: $!";
open(my $out, '>', "$work/out/sums.txt") or die "write: $!";
printf $out "%-20s %6d\n", $_, $seen{$_} for sort { $seen{$b} <=> $seen{$a} || $a cmp $b } keys %seen;
close $out;
rename "$work/out/sums.txt", "$work/out/final.txt" or die "rename: $!";
opendir(my $directory, $work) or die "opendir: $!";
print join(" ", sort grep { !/^\./ } readdir $directory), "\n";
print -s "$work/out/final.txt", " bytes, ", (-d "$work/out" ? "a directory" : "none"), "\n";
print "no such file: ", (open(my $none, '<', "$work/missing") ? "found" : $! + 0), "\n";
print pack("N n a4", 1, 2, "perl") eq "\0\0\0\1\0\2perl" ? "packed\n" : "not packed\n";
print STDERR "to stderr\n";
