// Writes the licences of the packages in a bundle: node list_licences.js METAFILE
const fs = require("fs");
const path = require("path");

const inputs = Object.keys(JSON.parse(fs.readFileSync(process.argv[2], "utf8")).inputs);
const folders = inputs
  .map((file) => (file.match(/^node_modules\/(?:@[^/]+\/)?[^/]+/) || [])[0])
  .filter((folder) => folder !== undefined);
for (const folder of [...new Set(folders)].sort()) {
  const about = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
  const file = fs.readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  // NiiVue's package leaves out the licence of its repository
  const text = fs.readFileSync(file ? path.join(folder, file) : path.join("licences", `${path.basename(folder)}.txt`), "utf8");
  process.stdout.write(`${about.name} ${about.version} (${about.license})\n\n${text.trim()}\n\n${"-".repeat(80)}\n\n`);
}
