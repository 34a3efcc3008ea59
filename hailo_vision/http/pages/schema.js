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
  if (unknown !== undefined) return `In ${place}: type ${JSON.stringify(unknown)} is none of ${TYPES.join(", ")}.`;
  const { required } = schema;
  if (required !== undefined && !(Array.isArray(required) && required.every((name) => typeof name === "string"))) {
    return `In ${place}: "required" must be a list of names, such as ["summary"].`;
  }
  if (schema.enum !== undefined && !Array.isArray(schema.enum)) return `In ${place}: "enum" must be a list of values.`;
  for (const [keywords, fits, expected] of [[NAMED, isObject, "an object"], [LISTED, Array.isArray, "a list"]]) {
    const wrong = keywords.find((keyword) => schema[keyword] !== undefined && !fits(schema[keyword]));
    if (wrong) return `In ${place}: "${wrong}" must be ${expected} of schemas.`;
  }
  const parts = [...NAMED, ...LISTED].flatMap((keyword) => Object.entries(schema[keyword] ?? {}));
  for (const keyword of SINGLE) if (keyword in schema) parts.push([keyword, schema[keyword]]);
  for (const items of "items" in schema ? [schema.items].flat() : []) parts.push(["items", items]);
  return parts.map(([name, part]) => fault(part, `"${name}" of ${place}`)).find(Boolean) ?? "";
}
