// At the server's first start: who may do what with the database of runs. Each user's password is in its address.
const fs = require("fs");

for (const [user, role] of [["kit", "readWrite"], ["viewer", "read"]]) {
  const address = new URL(fs.readFileSync(`/run/passwords/${user}/uri`, "utf8"));
  const database = address.pathname.slice(1);
  db.getSiblingDB(database).createUser({ user, pwd: address.password, roles: [{ role, db: database }] });
}
