/**
 * A few of the paths' types in use: it compiles when openapi-typescript made of the document what a client needs.
 * The `@ts-expect-error` lines see to it that the types refuse something.
 */

import type { components, paths } from "./schema";

type Json<T> = T extends { content: { "application/json": infer Body } } ? Body : never;
type NewScrapeJob = Json<NonNullable<paths["/scrape-jobs"]["post"]["requestBody"]>>;
type ScrapeJob = Json<paths["/scrape-jobs"]["post"]["responses"][202]>;
type ImageQuery = NonNullable<paths["/images"]["get"]["parameters"]["query"]>;
type ImagePage = Json<paths["/images"]["get"]["responses"][200]>;
type NewRun = Json<NonNullable<paths["/training-runs"]["post"]["requestBody"]>>;
type Answer = Json<paths["/classify"]["post"]["responses"][200]>;
type Problem = components["schemas"]["Problem"];

export async function search(base: string, dataset: string): Promise<ScrapeJob> {
  const wanted: NewScrapeJob = {
    dataset_id: dataset,
    class: "zumwalt",
    source: "bing",
    phrase: "zumwalt destroyer",
    limit: 500,
  };
  const body = JSON.stringify(wanted);
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${base}/scrape-jobs`, { method: "POST", headers, body });
  if (answer.ok) return (await answer.json()) as ScrapeJob;
  const problem = (await answer.json()) as Problem;
  throw new Error(`${problem.title}: ${problem.detail} (${problem.code})`);
}

export function stored(job: ScrapeJob): number {
  return job.status === "succeeded" ? (job.outcomes["stored"] ?? 0) : 0;
}

export const flagged: ImageQuery = { state: "flagged", limit: 200 };

export function reasons(page: ImagePage): string[] {
  const next: string | null = page.next_cursor;
  const more = next === null ? "" : " …";
  return page.items.map((image) => `${image.sha256}: ${image.verdicts.map((one) => one.reason).join("; ")}${more}`);
}

export const run: NewRun = { snapshot_id: "…", seed: 1, recipe: { conv: [32, 64, 128], epochs: 20 } };

export function best(answer: Answer): string {
  const [first] = answer.probabilities;
  return `${first?.class}: ${answer.probability.toFixed(2)}`;
}

// @ts-expect-error no state of an image is called so
export const misspelt: ImageQuery = { state: "flaged" };
// @ts-expect-error a run needs a snapshot
export const nothing: NewRun = { seed: 1 };
// @ts-expect-error no such source
export const elsewhere: NewScrapeJob["source"] = "elsewhere";
// @ts-expect-error statuses are a closed set
export const status: ScrapeJob["status"] = "done";
