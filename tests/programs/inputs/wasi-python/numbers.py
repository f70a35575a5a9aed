"""The packages that come with this Python, on a file."""

import sqlite3
import sys
from pathlib import Path

import numpy as np
import pandas as pd

work = Path(sys.argv[1])
frame = pd.read_csv(work / "prices.csv")
frame["value"] = frame["price"] * frame["count"]
print(frame.sort_values("value").to_string())
frame.to_csv(work / "values.csv", index=False)
matrix = np.arange(16, dtype=float).reshape(4, 4) + np.eye(4)
print(np.linalg.det(matrix).round(6), np.fft.rfft(matrix[0]).round(3))
np.save(work / "matrix.npy", np.linalg.inv(matrix).round(9))
database = sqlite3.connect(work / "values.db")
frame.to_sql("prices", database, index=False)
print(database.execute("select name, value from prices order by value desc").fetchone())
database.close()
