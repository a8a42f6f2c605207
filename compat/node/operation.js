"use strict";
// Each test is one operation, and a row in docs/compatibility.md.
const { test } = require("node:test");
const fs = require("node:fs");

exports.operation = (name, f) =>
  test(name, async () => {
    const start = performance.now();
    let ok = false;
    try {
      await f();
      ok = true;
    } finally {
      const line = { operation: name, ok, seconds: Math.round(performance.now() - start) / 1000 };
      fs.appendFileSync(process.env.COMPAT_REPORT, JSON.stringify(line) + "\n");
    }
  });
