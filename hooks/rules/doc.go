// Package rules does what business people want to happen: when something happened and a condition holds, it takes steps.
//
// The main idea: a rule is data with immutable versions (Book), an event starts at most one run of each rule (Engine.Post, decide), and a run is
// a walk over the rule's steps that can stop anywhere and go on elsewhere, because all that it found out and did is in rows. Each outside action is
// an Effect with an id that follows from run and step; it is noted before it is taken, and whoever takes it does so once for the id.
// So a crash at any moment repeats no effect and loses no run. The same walk over rows in memory, with a clock of its own and nobody to take
// effects, is a Trial: tests inside rules, dry runs and replays cannot differ from what happens.
//
//   - model.go: Rule, Trigger, Step, Test; Parse. compile.go: a rule made ready. check.go, graph.go: what is wrong with it. describe.go: a sentence
//   - compare.go, compare_words.go: how two versions differ, in words; labels.go: names of what templates and conditions speak of
//   - event.go, trigger.go and trigger_*.go: what starts rules, and the index that finds them. times.go: schedules and dates in records; dates.go: what records
//     with dates were like, for replays
//   - core.go: decide and advance, for what happens and what is tried. walk.go: the walk. facts.go: what a run knows
//   - steps.go and step_*.go: what rules can do; text.go: templates in their parameters
//   - effect.go, guard.go: outside actions, and what keeps them from flooding anybody
//   - approvals.go, approval_*.go: what people are asked to decide, their votes by links and by answers (approval_reply.go), and the first mails of a version
//   - run.go, ledger*.go, files.go: rows of runs, in the database and in memory
//   - book.go: rules and versions. engine.go: workers over the queue
//   - trial.go, trial_dates.go, tests.go, world.go: trying
//
// Errors are temporary unless they have a method Temporary that says no. What a condition asks and nobody knows is unknown, and an unknown
// condition does not fire.
//
// It reaches mail, CRMs and people only through World and Performer, which it declares; it renders no MIME and opens no socket.
package rules
