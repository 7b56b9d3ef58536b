// The tabs of a rule beside its designer; each takes the id of the rule and is loaded when it is opened.
import { lazy } from "react";

export const Flow = lazy(() => import("./Flow"));
export const Versions = lazy(() => import("./Versions"));
export const TryReplay = lazy(() => import("./TryReplay"));
export const Runs = lazy(() => import("./Runs"));
