import { createContext, useContext, type Dispatch, type SetStateAction } from "react";
import { noDraft, type Draft, type Schema } from "./tree";

/** What the gateway says of values that it would not take, by path. */
export type Mistakes = Record<string, string>;

interface Context {
  draft: Draft;
  setDraft: Dispatch<SetStateAction<Draft>>;
  mistakes: Mistakes;
  schema?: Schema;
  write: boolean;
  searching: boolean;
}

export const DraftContext = createContext<Context>({ draft: noDraft, setDraft: () => undefined, mistakes: {}, write: false, searching: false });
export const useDraft = () => useContext(DraftContext);
