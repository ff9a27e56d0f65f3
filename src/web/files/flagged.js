/** Shows what a cleaning job flagged, a dry run's, too, with what it said of each picture. */

import { all } from "./api.js";
import { spaced } from "./checks.js";
import { count, plural } from "./dom.js";
import { label } from "./job-words.js";
import { choose, tell } from "./state.js";

/** Verdicts of a job that are read. */
const MOST = 2000;

/** Shows what `check` flagged, or with null what any check did. */
export function lookAtFlagged(job, check = null) {
  const total = (check ? job.by_check[check] : job.counts).flagged;
  const entries = async () => {
    const said = await all(`/cleaning-jobs/${job.id}/verdicts`, { outcome: "flagged", check }, MOST, standing);
    return byPicture(said.slice(0, MOST));
  };
  const by = check ? ` by ${spaced(check)}` : "";
  const title = `${job.dry_run ? "Would be flagged" : "Flagged"}${by}`;
  // Of all checks a picture may have several verdicts.
  const verdicts = check ? total : Object.values(job.by_check).reduce((sum, { flagged }) => sum + flagged, 0);
  const some = verdicts > MOST ? `The newest of ${count(total)} pictures` : plural(total, "picture");
  const dry = job.dry_run ? " It was a dry run: they are in use unless something else speaks against them." : "";
  const about = `${some}${job.dry_run ? " that would be" : ""} flagged${by}, cleaning of ${label(job)}.${dry}`;
  choose(job.dataset_id);
  tell("look", { title, about, check, entries });
}

const standing = ({ dismissed }) => !dismissed;

/** One entry for each picture with all that was said of it; of what a check said twice, the newest. */
function byPicture(verdicts) {
  const pictures = new Map();
  for (const verdict of verdicts) {
    const said = pictures.get(verdict.image_id) ?? [];
    if (!said.some(({ check }) => check === verdict.check)) said.push(verdict);
    pictures.set(verdict.image_id, said);
  }
  return [...pictures].map(([id, said]) => ({ id, said }));
}
