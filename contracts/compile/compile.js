// Compiles every contract of ../src with the pinned solc (pure JavaScript, no network) and prints
// {"solc": VERSION, "settings": {...}, "contracts": {NAME: {abi, bytecode, runtime}}} as JSON.
// OpenZeppelin is read from node_modules. Compiler warnings about our own sources are errors.
"use strict";
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const sourceDirectory = path.join(__dirname, "..", "src");
const settings = {
  evmVersion: "cancun",
  viaIR: true,
  optimizer: { enabled: true, runs: 1000000 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode"] } },
};

const sources = {};
for (const file of fs.readdirSync(sourceDirectory).filter((name) => name.endsWith(".sol")).sort()) {
  sources[file] = { content: fs.readFileSync(path.join(sourceDirectory, file), "utf8") };
}

function importFromPackages(name) {
  try {
    return { contents: fs.readFileSync(path.join(__dirname, "node_modules", name), "utf8") };
  } catch (error) {
    return { error: String(error) };
  }
}

const input = { language: "Solidity", sources, settings };
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: importFromPackages }));
const isOurs = (entry) => !entry.sourceLocation || entry.sourceLocation.file in sources;
const complaints = (output.errors || []).filter(
  (entry) => entry.severity === "error" || (entry.severity === "warning" && isOurs(entry)),
);
if (complaints.length > 0) {
  for (const entry of complaints) process.stderr.write(entry.formattedMessage);
  process.exit(1);
}

const contracts = {};
for (const file of Object.keys(sources)) {
  for (const [name, contract] of Object.entries(output.contracts[file])) {
    if (contract.evm.bytecode.object === "") continue; // abstract: a part of others
    contracts[name] = {
      abi: contract.abi,
      bytecode: "0x" + contract.evm.bytecode.object,
      // Immutables are put into the code at deployment, so that no two deployments are alike.
      runtime:
        Object.keys(contract.evm.deployedBytecode.immutableReferences || {}).length === 0
          ? "0x" + contract.evm.deployedBytecode.object
          : null,
    };
  }
}
const { outputSelection, ...reported } = settings;
process.stdout.write(JSON.stringify({ solc: solc.version(), settings: reported, contracts }));
