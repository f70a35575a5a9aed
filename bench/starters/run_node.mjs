// Runs a scenario with Node's own WebAssembly (V8, lazily with Liftoff): run_node.mjs SCENARIO FILE -- ARGV...
// The scenarios are those of scenarios.py.

import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const [scenario, file, , ...argv] = process.argv.slice(2);
const text = new TextEncoder();

const SCENARIOS = {
  command(guest) {
    guest.wasi.start(guest.instance);
  },
  instantiate() {
    console.log("instantiated");
  },
  initialize(guest) {
    guest.call("_initialize");
    console.log("initialized");
  },
  quickjs(guest) {
    guest.call("_initialize");
    guest.call("qjs_init");
    const source = text.encode("[1, 2, 3].map(x => x * 14).join()\0");
    const name = text.encode("bench.js\0");
    const address = guest.call("wasm_malloc", source.length + name.length);
    guest.write(address, source);
    guest.write(address + source.length, name);
    const value = guest.call("qjs_eval", address, source.length - 1, address + source.length, 0);
    const result = guest.read(guest.call("qjs_get_string", value), 32);
    console.log(Buffer.from(result.subarray(0, result.indexOf(0))).toString());
  },
  ruby(guest) {
    const allocate = (data) => {
      const address = guest.call("cabi_realloc", 0, 0, 4, Math.max(1, data.length));
      guest.write(address, data);
      return address;
    };
    guest.call("_initialize");
    const pairs = ["ruby.wasm\0", "-EUTF-8\0", "-e_=0\0"].flatMap((argument) => {
      const data = text.encode(argument);
      return [allocate(data), data.length];
    });
    const list = allocate(new Uint8Array(new Uint32Array(pairs).buffer));
    guest.call("ruby-init: func(args: list<string>) -> ()", list, pairs.length / 2);
    const line = text.encode(argv.at(-1));
    guest.call(
      "rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>",
      allocate(line),
      line.length,
    );
  },
};

const wasi = new WASI({ version: "preview1", args: argv, returnOnExit: true });
const module = new WebAssembly.Module(readFileSync(file));
const imports = { wasi_snapshot_preview1: wasi.wasiImport };
for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
  if (kind === "function" && from !== "wasi_snapshot_preview1") {
    (imports[from] ??= {})[name] = () => 0;
  }
}
const instance = new WebAssembly.Instance(module, imports);
const { memory } = instance.exports;
if (scenario !== "command" && memory) {
  wasi.finalizeBindings?.(instance, { memory });
}
SCENARIOS[scenario]({
  wasi,
  instance,
  call: (name, ...values) => instance.exports[name](...values),
  write: (address, data) => new Uint8Array(memory.buffer, address >>> 0, data.length).set(data),
  read: (address, size) => new Uint8Array(memory.buffer, address >>> 0, size),
});
