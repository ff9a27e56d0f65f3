/** The public API: requests, and its problems as exceptions. */

/** A request that failed; `message` is for people. */
export class Problem extends Error {
  constructor(body, status) {
    super(body.detail || body.title || `the service answered ${status}`);
    this.status = status;
    this.code = body.code ?? "unknown";
    this.retryable = body.retryable ?? false;
  }
}

const unreachable = { detail: "the service does not answer", code: "unreachable", retryable: true };

/** One call; gives the JSON of the answer. `query` leaves out what is empty. */
export async function call(method, path, { query = {}, json, body } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  const search = new URLSearchParams(given).toString();
  const headers = { accept: "application/json" };
  if (json !== undefined) {
    headers["content-type"] = "application/json";
    body = JSON.stringify(json);
  }
  let response;
  try {
    response = await fetch(search ? `${path}?${search}` : path, { method, headers, body });
  } catch {
    throw new Problem(unreachable, 0);
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(answer, response.status);
  return answer;
}

export const get = (path, query) => call("GET", path, { query });
export const post = (path, json) => call("POST", path, { json });

/** Every item of a list that is `wanted`, at most about `most`: the last page is whole. */
export async function all(path, query = {}, most = 1000, wanted = () => true) {
  const items = [];
  let cursor = null;
  do {
    const page = await get(path, { ...query, limit: 200, cursor });
    items.push(...page.items.filter(wanted));
    cursor = page.next_cursor;
  } while (cursor && items.length < most);
  return items;
}
