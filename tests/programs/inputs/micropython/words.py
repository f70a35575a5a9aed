import binascii
import hashlib
import json
import os

counts = {}
with open("text.txt") as file:
    for line in file:
        for word in line.lower().split():
            word = word.strip(".,;")
            counts[word] = counts.get(word, 0) + 1
ranking = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
os.mkdir("out")
with open("out/words.json", "w") as file:
    json.dump(ranking, file)
with open("out/words.bin", "wb") as file:
    file.write(bytes(range(256)) * 4)
with open("out/words.bin", "rb") as file:
    file.seek(-16, 2)
    print(file.read(), file.tell())
with open("text.txt", "rb") as file:
    print(binascii.hexlify(hashlib.sha256(file.read()).digest()).decode())
os.rename("out/words.bin", "out/bytes")
print(sorted(os.listdir("out")), os.stat("out/bytes")[6], ranking[:3])
os.remove("text.txt")
try:
    open("text.txt")
except OSError as error:
    print("gone:", error.errno)
print(2**200 % 1000007, [round(x * 0.1, 3) for x in range(5)])
