// Runs one CommonJS extension module under Node.js and speaks JSON lines with the server on its behalf.
//
// Request {"id", "arguments": [function, …]}, answer {"id", "result"} or {"id", "error": {name, message, stack}}; the "id" comes
// first, so that the server knows whose answer it is even when it is cut off. Standard output belongs to these lines alone: what
// the module prints goes to standard error, which the server logs.
"use strict";

const [, file, extension] = process.argv;
const running = new Set();
let inputEnded = false;

const writeAnswer = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);

function describe(error) {
  if (error !== null && typeof error === "object" && typeof error.message === "string") {
    return { name: error.name, message: error.message, stack: error.stack };
  }
  // Not an Error: it has no name to tell faults apart by.
  return { message: typeof error === "string" ? error : String(JSON.stringify(error)) };
}

function send(id, field, value) {
  if (!running.delete(id)) return; // Answered before: the first answer counts.
  let text;
  try {
    text = JSON.stringify(value === undefined ? null : value);
    if (text === undefined) throw new TypeError("The result is not JSON");
  } catch (error) {
    field = "error";
    text = JSON.stringify(describe(error));
  }
  writeAnswer(`{"id":${id},"${field}":${text}}\n`);
  if (inputEnded && running.size === 0) process.exit(0);
}

function crash(error) {
  const described = describe(error);
  console.error(described.stack || "");
  // The last line stands in the fault when there is no call to fail.
  console.error(`${described.name || "Error"}: ${described.message.split("\n")[0]}`);
  for (const id of [...running]) send(id, "error", described);
  process.exit(1);
}

process.on("uncaughtException", crash);

let module_;
try {
  module_ = require(file);
} catch (error) {
  crash(error);
}

function call(id, [name, ...values]) {
  running.add(id);
  const inherited = name in Object.prototype && !Object.hasOwn(Object(module_), name);
  const implementation = inherited ? undefined : Object(module_)[name];
  if (typeof implementation !== "function") {
    send(id, "error", { message: `No such function '${name}' in extension '${extension}'` });
    return;
  }
  const succeed = (result) => send(id, "result", result);
  const fail = (error) => send(id, "error", describe(error));
  // Functions get texts, whatever the script gave.
  const texts = values.map((value) => (typeof value === "string" ? value : JSON.stringify(value)));
  let returned;
  try {
    returned = implementation.call(module_, texts, (error, result) => (error ? fail(error) : succeed(result)));
  } catch (error) {
    fail(error); // Thrown before anything asynchronous began: it concerns this call alone.
  }
  if (typeof returned?.then === "function") {
    returned.then(succeed, fail);
  }
}

let rest = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (text) => {
  const lines = (rest + text).split("\n");
  rest = lines.pop();
  for (const line of lines) {
    const request = JSON.parse(line);
    call(request.id, request.arguments);
  }
});
process.stdin.on("end", () => {
  inputEnded = true;
  if (running.size === 0) process.exit(0);
});
