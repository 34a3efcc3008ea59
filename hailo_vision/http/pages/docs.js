// The page at /docs: /openapi.json for people.

function element(tag, text, ...children) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

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

function table(schema) {
  const body = element("tbody");
  const isRequired = ([name]) => schema.required?.includes(name) ?? false;
  const fields = Object.entries(schema.properties ?? {});
  for (const [name, field] of [...fields.filter(isRequired), ...fields.filter((one) => !isRequired(one))]) {
    const required = isRequired([name]) ? "required" : "";
    body.append(element("tr", "", element("td", "", element("code", name)), element("td", typeOf(field)), element("td", required), element("td", "", ...words(field.description ?? ""))));
  }
  const scroll = element("div", "", element("table", "", body));
  scroll.className = "scroll";
  return scroll;
}

function types(names, schemas) {
  return names.map((name) => {
    const details = element("details", "", element("summary", name));
    if (schemas[name].description) details.append(text(schemas[name].description));
    details.append(table(schemas[name]));
    details.id = name;
    return details;
  });
}

// What stands between backticks is code.
const words = (content) => content.split("`").map((part, index) => index % 2 ? element("code", part) : part);

function text(content) {
  const paragraph = element("p", "", ...words(content));
  paragraph.className = "text";
  return paragraph;
}

function operation(method, path, described, schemas) {
  const badge = element("span", method.toUpperCase());
  badge.className = "method";
  const section = element("section", "", element("h2", "", badge, element("code", path)), element("p", described.summary));
  const request = described.requestBody?.content["application/json"];
  if (request) {
    const body = schemas[nameOf(request.schema)];
    section.append(element("h3", "Request"), text(body.description ?? ""), table(body));
    const command = `curl ${location.origin}${path} -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(request.example)}'`;
    section.append(element("pre", "", element("code", command)));
  }
  section.append(element("h3", "Responses"));
  const answers = element("tbody");
  for (const [status, response] of Object.entries(described.responses)) {
    const kinds = Object.values(response.content ?? {}).map((content) => typeOf(content.schema)).join(", or as events ");
    answers.append(element("tr", "", element("td", status), element("td", response.description), element("td", kinds)));
  }
  section.append(element("table", "", answers));
  return section;
}

async function show() {
  const content = document.getElementById("content");
  const document_ = await (await fetch("openapi.json")).json();
  const schemas = document_.components.schemas;
  content.replaceChildren(text(`${document_.info.description}Version ${document_.info.version}.`));
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, described] of Object.entries(methods)) {
      content.append(operation(method, path, described, schemas));
    }
  }
  content.append(element("section", "", element("h2", "Types"), ...types(Object.keys(schemas).sort(), schemas)));
}

show().catch((error) => {
  document.getElementById("content").textContent = `The description can't be shown: ${error.message}`;
});
