// Package condition decides whether a rule applies, and says why.
//
// A condition is a tree of nodes (Node): all, any and not; leaves that compare a fact with a value; quantifiers over lists;
// and expressions in CEL for what the form cannot say. It is data, in JSON or YAML, read strictly (Decode). What people
// should look at before it runs is found by Check: unknown names, operators that do not fit, what can never be true.
//
// Compile prepares a condition once; a Program runs it for many events at the same time. Logic is Kleene's: a fact that
// cannot be told (*Unknown) makes a result unknown unless the others decide it, and a rule fires on true only. A fact that
// is known to be missing is nil: it is empty and equals nothing; as a text it is empty; it has no order and no age, which
// is unknown again, so that "not over 100,000" does not hold of an order without an amount. Children are asked from left
// to right and no further than needed, so that what is expensive stands last. Every evaluation gives an Explanation: a tree
// of the same shape that says what was compared, in Chinese and English.
//
// Texts compare folded (Fold), numbers exactly (big.Rat), times as instants or, without a time of day, as whole days.
//
// The path of an evaluation: node.go, decode.go, yaml.go, encode.go (the tree as data), compile.go, args.go (names
// resolved, values prepared), evaluate.go (the logic), operators.go (the table), checks_*.go (what the operators do),
// value.go, number.go, moment.go, fold.go (how values compare), cel.go, cel_rewrite.go (expressions), memo.go (each fact
// is asked once), explanation.go, phrase.go (words). Beside it: schema.go, schema_facts.go (what can be known), check.go,
// constant.go (mistakes), paths.go (which facts are used). A new operator is a line in operators.go and its check.
//
// The package asks for facts through an interface (Facts) and knows no mail, no CRM and no clock. Nothing turns an
// expression back into a tree.
package condition
