"""What scripts do with files: read, write, walk, compress, archive, a database."""

import csv
import hashlib
import io
import json
import os
import select
import shutil
import sys
import tempfile
import time
import zipfile
import zlib
from pathlib import Path

work = Path(sys.argv[1])
os.chdir(work)
print(sys.version_info[:2], sys.argv[1:], os.environ["GREETING"], os.getcwd())
print(sys.stdin.read().upper(), end="")

with open("prices.csv", newline="") as file:
    rows = list(csv.DictReader(file))
total = sum(float(row["price"]) * int(row["count"]) for row in rows)
print(f"{total:.2f}")

out = work / "out"
(out / "deep" / "er").mkdir(parents=True)
(out / "rows.json").write_text(json.dumps(rows, indent=1))
(out / "deep" / "data").write_bytes(hashlib.shake_128(b"seed").digest(100_000))
(out / "deep" / "er" / "ümläut ☃").write_text("unicode")
with open(out / "deep" / "data", "r+b") as file:
    file.seek(50_000)
    file.truncate()
    file.seek(10)
    file.write(b"0123456789")
    file.flush()
    os.fsync(file.fileno())
    print(file.tell(), os.fstat(file.fileno()).st_size)
with open(out / "log", "a") as file:
    file.write("one\n")
with open(out / "log", "a") as file:
    file.write("two\n")
print((out / "log").read_text().split())

os.symlink("rows.json", out / "link")
print(os.readlink(out / "link"), (out / "link").is_symlink(), len((out / "link").read_text()))
os.link(out / "rows.json", out / "hard")
print((out / "hard").samefile(out / "rows.json"), os.stat(out / "hard").st_nlink)
os.utime(out / "log", ns=(10**18, 10**18 + 5))
print(os.stat(out / "log").st_mtime_ns)
os.replace(out / "hard", out / "renamed")
for root, directories, files in os.walk(out):
    directories.sort()
    print(os.path.relpath(root, out), sorted(files))
print(sorted(entry.name for entry in os.scandir(out) if entry.is_dir(follow_symlinks=False)))

packed = zlib.compress((out / "deep" / "data").read_bytes(), 6)
print(len(packed), hashlib.blake2b(packed).hexdigest()[:16])
buffer = io.BytesIO()
with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
    for path in sorted(out.rglob("*")):
        if path.is_file():
            archive.writestr(zipfile.ZipInfo(str(path.relative_to(out))), path.read_bytes())
(work / "out.zip").write_bytes(buffer.getvalue())
with zipfile.ZipFile(work / "out.zip") as archive:
    print(archive.testzip(), [info.file_size for info in archive.infolist()])

shutil.copytree(out, work / "copy", symlinks=True)
shutil.rmtree(out / "deep")
with tempfile.TemporaryFile(dir=work) as file:
    file.write(b"x" * 10)
    print(file.tell())

many = work / "many"
many.mkdir()
for number in range(1500):
    (many / f"{number:04}-{'x' * (number % 60)}").touch()
print(len(os.listdir(many)), sorted(os.listdir(many))[::500])
shutil.rmtree(many)

descriptor = os.open(work / "raw", os.O_RDWR | os.O_CREAT | os.O_EXCL)
print(os.write(descriptor, b"abcdefghi"), os.pwrite(descriptor, b"XY", 4))
print(os.pread(descriptor, 4, 3), os.lseek(descriptor, -2, os.SEEK_END), os.read(descriptor, 9))
os.ftruncate(descriptor, 20)
os.close(descriptor)
print((work / "raw").read_bytes())
appending = os.open(work / "raw", os.O_WRONLY | os.O_APPEND | os.O_TRUNC)
os.lseek(appending, 0, os.SEEK_SET)
print(os.write(appending, b"12"), os.lseek(appending, 0, os.SEEK_SET), os.write(appending, b"34"))
os.close(appending)
print((work / "raw").read_bytes())

started = time.monotonic()
time.sleep(0.02)
print(time.monotonic() - started >= 0.02, time.time() > 1.7e9, time.process_time() >= 0)
print(len(os.urandom(1000)), os.urandom(16) != os.urandom(16))
print(select.select([sys.stdin], [sys.stdout], [], 1)[1] == [sys.stdout])

try:
    import sqlite3
except ImportError:
    print("no sqlite3")
else:
    database = sqlite3.connect(work / "base.db")
    database.execute("create table prices (name text primary key, price real, count integer)")
    database.executemany("insert into prices values (:name, :price, :count)", rows)
    database.commit()
    print(database.execute("select name, price * count from prices order by 2").fetchall())
    database.close()

for attempt in (
    lambda: open("missing"),
    lambda: open("/etc/passwd"),
    lambda: open("../../etc/passwd"),
    lambda: os.mkdir(out),
    lambda: os.rmdir(out),
    lambda: os.listdir("prices.csv"),
    lambda: os.unlink(work / "copy"),
    lambda: os.rename(work / "copy", work / "out.zip"),
    lambda: os.rename(work / "out.zip", work / "copy"),
    lambda: os.open(work / "raw", os.O_CREAT | os.O_EXCL),
    lambda: os.open(work / "copy" / "link", os.O_NOFOLLOW),
    lambda: os.open(work / "raw", os.O_DIRECTORY),
    lambda: os.symlink("x", work / "raw"),
    lambda: os.readlink(work / "raw"),
    lambda: os.link(work / "copy", work / "other"),
    lambda: os.mkdir(work / "none" / "new"),
    lambda: os.stat(work / "raw" / "below"),
    lambda: os.rmdir(work / "raw"),
    lambda: os.close(99),
    lambda: os.write(0, b"x"),
    lambda: os.lseek(1, -1, os.SEEK_SET),
):
    try:
        attempt()
    except PermissionError as error:
        # Leaving the directory is EPERM in wasmtime, ENOTCAPABLE in the specification.
        print(type(error).__name__)
    except OSError as error:
        print(type(error).__name__, error.errno)
print("to stderr", file=sys.stderr)
sys.exit(7)
