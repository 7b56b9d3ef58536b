// Everything that pages share. Import from "@/kit".
export { Async, Empty, Loading, Problem } from "./Async";
export { ApiForm, placeProblems } from "./ApiForm";
export { ConfirmAction } from "./ConfirmAction";
export { Copy, Facts, Head, Panel, State, type Tone } from "./Page";
export { Listing, useTyped, type Column } from "./Listing";
export { duration, exact, number, relative, size, Time } from "./Time";
export { useFilters } from "./useFilters";
export { useNarrow } from "./useNarrow";
export { useSave } from "./useSave";
export { useUnsaved } from "./useUnsaved";
export { Chart } from "./Chart";
