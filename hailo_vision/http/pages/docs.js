// The page at /docs: /openapi.json for people.

import { $, element } from "./dom.js";

const nameOf = (schema) => schema?.$ref?.split("/").pop();

function typeOf(schema) {
  if (!schema || schema === true) return "any";
  if (schema.$ref) return nameOf(schema);
  const event = schema.properties?.data?.contentSchema;
  if (event) return nameOf(event);
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives) return alternatives.map(typeOf).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `array of ${typeOf(schema.items)}`;
  const low = schema.minimum ?? schema.exclusiveMinimum, high = schema.maximum;
  const kind = schema.type ?? "any";
  if (low !== undefined && high !== undefined) return `${kind} ${low} to ${high}`;
  if (low !== undefined) return `${kind}, ${schema.minimum === undefined ? "above" : "at least"} ${low}`;
  return high === undefined ? kind : `${kind}, at most ${high}`;
}

const code = (text) => element("code", { textContent: text });
const cell = (...content) => element("td", {}, ...content);

/** A table in a frame that scrolls, by the keyboard too. */
function table(name, heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col", textContent: text })));
  const whole = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  return scrolling("div", name, whole);
}

function scrolling(tag, name, content) {
  return element(tag, { className: "scroll", tabIndex: 0, role: "group", ariaLabel: name }, content);
}

function fields(name, schema) {
  const isRequired = ([field]) => schema.required?.includes(field) ?? false;
  const all = Object.entries(schema.properties ?? {});
  const sorted = [...all.filter(isRequired), ...all.filter((one) => !isRequired(one))];
  const rows = sorted.map(([field, described]) => element(
    "tr", {},
    cell(code(field)),
    cell(typeOf(described)),
    cell(isRequired([field]) ? "required" : ""),
    cell(...words(described.description ?? "")),
  ));
  return table(name, ["Field", "Type", "Needed", "Meaning"], rows);
}

function types(names, schemas) {
  return names.map((name) => {
    const details = element("details", { id: name }, element("summary", { textContent: name }));
    if (schemas[name].description) details.append(text(schemas[name].description));
    if (schemas[name].properties) details.append(fields(`Fields of ${name}`, schemas[name]));
    return details;
  });
}

// What stands between backticks is code.
const words = (content) => content.split("`").map((part, index) => index % 2 ? code(part) : part);

const text = (content) => element("p", { className: "text" }, ...words(content));

function operation(method, path, described, schemas) {
  const badge = element("span", { className: "method", textContent: method.toUpperCase() });
  const title = element("h2", {}, badge, code(path));
  const section = element("section", {}, title, element("p", {}, described.summary));
  const name = `${method.toUpperCase()} ${path}`;
  const request = described.requestBody?.content["application/json"];
  if (request) {
    const body = schemas[nameOf(request.schema)];
    const command = `curl ${location.origin}${path} -H 'Content-Type: application/json' \\\n` +
      `  -d '${JSON.stringify(request.example)}'`;
    section.append(
      element("h3", {}, "Request"),
      text(body.description ?? ""),
      fields(`Fields of ${name}`, body),
      scrolling("pre", `Example of ${name}`, code(command)),
    );
  }
  const rows = Object.entries(described.responses).map(([status, response]) => {
    const kinds = Object.values(response.content ?? {}).map((content) => typeOf(content.schema));
    return element("tr", {}, cell(status), cell(response.description), cell(kinds.join(", or as events ")));
  });
  const responses = table(`Responses of ${name}`, ["Status", "Meaning", "Type"], rows);
  section.append(element("h3", {}, "Responses"), responses);
  return section;
}

async function show() {
  const content = $("content");
  const description = await (await fetch("openapi.json")).json();
  const schemas = description.components.schemas;
  content.replaceChildren(text(`${description.info.description}Version ${description.info.version}.`));
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, described] of Object.entries(methods)) {
      content.append(operation(method, path, described, schemas));
    }
  }
  const all = types(Object.keys(schemas).sort(), schemas);
  content.append(element("section", {}, element("h2", {}, "Types"), ...all));
}

show().catch((error) => {
  $("content").textContent = `The description can't be shown: ${error.message}`;
});
