import type { Schemas } from "@/api/client";
import type { Tone } from "@/kit";

export const targetTones: Record<Schemas["operations"]["TargetState"], Tone> = { ok: "good", paused: "warn", trouble: "bad", circuit_open: "bad", slow: "warn", unknown: "plain" };
export const levelTones: Record<Schemas["operations"]["Level"], Tone> = { ok: "good", warning: "warn", failed: "bad" };
