import { area, type Shape } from "./shapes";
import data from "./data.json";

enum Unit { Metre, Foot }

class Report<T extends Shape> {
  constructor(private readonly shapes: T[], readonly unit = Unit.Metre) {}
  get total(): number {
    return this.shapes.reduce((sum, shape) => sum + area(shape), 0);
  }
}

const report = new Report(data.shapes as Shape[]);
console.log(`${report.total?.toFixed(2) ?? "none"} ${Unit[report.unit]}`);
