// A claim put together from what is always known of it and what most jobs have not.
import type { ClaimedJob } from "./store.ts";

type Rare = "retention" | "terms" | "parent" | "resumes";

/** What most jobs have not; `null` and `undefined` say that it is not there. */
export type RareOfClaim = { readonly [Key in Rare]?: ClaimedJob[Key] | null | undefined };

/** Leaves out what is not there. */
export function claimedJobOf(
  usual: Omit<ClaimedJob, Rare>,
  { retention, terms, parent, resumes }: RareOfClaim,
): ClaimedJob {
  return {
    ...usual,
    ...(retention === null || retention === undefined ? {} : { retention }),
    ...(terms === null || terms === undefined ? {} : { terms }),
    ...(parent === null || parent === undefined ? {} : { parent }),
    ...(resumes === true ? { resumes } : {}),
  };
}
