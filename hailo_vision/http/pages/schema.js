// What is wrong with a JSON schema, told before it is sent. The service checks it once more, and wholly.

// The first two are those that an answer may have as a whole.
const TYPES = ["object", "array", "string", "number", "integer", "boolean", "null"];
const NAMED = ["properties", "patternProperties", "$defs", "definitions"]; // schemas by name
const LISTED = ["anyOf", "oneOf", "allOf", "prefixItems"];
const SINGLE = ["additionalProperties", "contains", "not", "if", "then", "else", "propertyNames"];

export const EXAMPLE = JSON.stringify({
  type: "object",
  properties: { summary: { type: "string" }, people: { type: "integer" }, outdoors: { type: "boolean" } },
  required: ["summary", "people", "outdoors"],
}, null, 2);

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isNames = (value) => Array.isArray(value) && value.every((name) => typeof name === "string");

const SHAPES = [
  [NAMED, isObject, "an object of schemas"],
  [LISTED, Array.isArray, "a list of schemas"],
  [["required"], isNames, 'a list of names, such as ["summary"]'],
  [["enum"], Array.isArray, "a list of values"],
];

/** A sentence, or "" if nothing is wrong. */
export function problemOf(text) {
  let schema;
  try {
    schema = JSON.parse(text);
  } catch (error) {
    return `The schema is not JSON: ${error.message}.`;
  }
  if (isObject(schema) && TYPES.slice(2).includes(schema.type)) {
    return `The schema's type is "${schema.type}"; an answer in JSON is an "object" or an "array".`;
  }
  return fault(schema, "the schema");
}

function fault(schema, place) {
  if (typeof schema === "boolean") return "";
  if (!isObject(schema)) return `In ${place}: expected an object such as {"type": "string"}.`;
  const unknown = [schema.type ?? []].flat().find((type) => !TYPES.includes(type));
  if (unknown !== undefined) {
    return `In ${place}: type ${JSON.stringify(unknown)} is none of ${TYPES.join(", ")}.`;
  }
  for (const [keywords, fits, expected] of SHAPES) {
    const wrong = keywords.find((keyword) => keyword in schema && !fits(schema[keyword]));
    if (wrong) return `In ${place}: "${wrong}" must be ${expected}.`;
  }
  const parts = [...NAMED, ...LISTED].flatMap((keyword) => Object.entries(schema[keyword] ?? {}));
  for (const keyword of SINGLE) if (keyword in schema) parts.push([keyword, schema[keyword]]);
  for (const items of "items" in schema ? [schema.items].flat() : []) parts.push(["items", items]);
  return parts.map(([name, part]) => fault(part, `"${name}" of ${place}`)).find(Boolean) ?? "";
}
