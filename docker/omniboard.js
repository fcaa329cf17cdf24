// Omniboard's configuration: the address, password included, of a user who may only read.
const fs = require("fs");

module.exports = {
  runs: { mongodbURI: fs.readFileSync("/run/passwords/viewer/uri", "utf8").trim(), path: "/runs" },
};
