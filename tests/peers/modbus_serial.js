// modbus-serial reads registers, or serves them: `read PORT UNIT ADDRESS COUNT` and `serve UNIT ADDRESS WORD...`.
const Modbus = require("modbus-serial");

async function read(port, unit, address, count) {
  const client = new Modbus();
  await client.connectTCP("127.0.0.1", { port });
  client.setID(unit);
  client.setTimeout(20000);
  const answer = await client.readHoldingRegisters(address, count);
  console.log(JSON.stringify(answer.data));
  client.close(() => {});
}

function serve(unit, first, words) {
  const vector = {
    getHoldingRegister: (address, asked) => {
      if (asked !== unit || address < first || address >= first + words.length) throw { modbusErrorCode: 2 };
      return words[address - first];
    },
  };
  const server = new Modbus.ServerTCP(vector, { host: "127.0.0.1", port: 0, debug: false, unitID: unit });
  server.on("initialized", () => console.log(server._server.address().port));
  process.stdin.resume().on("end", () => process.exit(0));
}

const [what, ...numbers] = process.argv.slice(2);
const values = numbers.map(Number);
if (what === "read") read(...values);
else serve(values[0], values[1], values.slice(2));
