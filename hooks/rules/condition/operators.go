package condition

import "slices"

// fits is the set of types that an operator is for. Open facts fit every operator.
type fits uint16

const (
	fitText fits = 1 << iota
	fitNumber
	fitTime
	fitBool
	fitAddress
	fitObject
	fitList
	fitTexts = fitText | fitAddress | fitList
	fitAll   = fitText | fitNumber | fitTime | fitBool | fitAddress | fitObject | fitList
)

// fitOf is the one bit of a type; open has all.
var fitOf = map[Type]fits{
	TypeOpen: fitAll, TypeText: fitText, TypeNumber: fitNumber, TypeMoney: fitNumber, TypeTime: fitTime, TypeBool: fitBool,
	TypeAddress: fitAddress, TypeObject: fitObject, TypeList: fitList,
}

// argument says what value an operator takes.
type argument uint8

const (
	argNone      argument = iota
	argFlag               // true, false, or nothing for true
	argOne                // a text, a number, true or false, a time, a list; or a fact
	argOrdered            // a number or a time, or a fact
	argPair               // a list of two of these
	argMoment             // a time, now, today, yesterday, tomorrow, or a fact
	argText               // a text or a number, or a fact
	argTexts              // one or a list of these
	argPattern            // a regular expression (RE2)
	argAddresses          // one or a list of addresses, *@domain, domain, *.domain; or {any, list, subdomains}
	argList               // a list of values, the name of a list, {list: name}, or a fact
	argWindow             // {last: 3d}, {next: 2h}, with business: true in business time
	argAge                // 3d, or {age: 4h, business: true}
	argFromTo             // {from: a, to: b}
)

// check decides about the value of a fact.
type check func(e *evaluation, l *leaf, fact *operand) (verdict, error)

// operator is one line of the table.
type operator struct {
	name    string
	zh, en  string // between the label of the fact and the value
	fits    fits
	takes   argument
	negated bool // the result is turned round
	run     check
}

// operators is the table of all that a leaf can ask.
var operators = []operator{
	{"is", "是", "is", fitAll, argOne, false, checkEqual},
	{"is_not", "不是", "is not", fitAll, argOne, true, checkEqual},
	{"lt", "小于", "is less than", fitNumber | fitTime, argOrdered, false, checkOrder(func(sign int) bool { return sign < 0 })},
	{"le", "不大于", "is at most", fitNumber | fitTime, argOrdered, false, checkOrder(func(sign int) bool { return sign <= 0 })},
	{"gt", "大于", "is more than", fitNumber | fitTime, argOrdered, false, checkOrder(func(sign int) bool { return sign > 0 })},
	{"ge", "不小于", "is at least", fitNumber | fitTime, argOrdered, false, checkOrder(func(sign int) bool { return sign >= 0 })},
	{"between", "介于", "is between", fitNumber | fitTime, argPair, false, checkBetween},
	{"contains", "包含", "contains", fitTexts, argText, false, checkContains(anyOf)},
	{"contains_any", "包含任一", "contains any of", fitTexts, argTexts, false, checkContains(anyOf)},
	{"contains_all", "包含全部", "contains all of", fitTexts, argTexts, false, checkContains(allOf)},
	{"not_contains", "不包含", "does not contain", fitTexts, argTexts, true, checkContains(anyOf)},
	{"starts_with", "开头是", "starts with", fitTexts, argTexts, false, checkEdge(prefixAt)},
	{"ends_with", "结尾是", "ends with", fitTexts, argTexts, false, checkEdge(suffixAt)},
	{"matches", "匹配", "matches", fitTexts, argPattern, false, checkPattern},
	{"matches_address", "属于", "is an address of", fitTexts, argAddresses, false, checkAddress},
	{"in_list", "在列表中", "is in the list", fitText | fitNumber | fitAddress | fitList, argList, false, checkInList},
	{"not_in_list", "不在列表中", "is not in the list", fitText | fitNumber | fitAddress | fitList, argList, true, checkInList},
	{"is_empty", "为空", "is empty", fitAll, argNone, false, checkEmpty},
	{"is_not_empty", "不为空", "is not empty", fitAll, argNone, true, checkEmpty},
	{"within", "在", "is within", fitTime, argWindow, false, checkWithin},
	{"older_than", "已超过", "is older than", fitTime, argAge, false, checkOlder},
	{"before", "早于", "is before", fitTime, argMoment, false, checkTimes(func(sign int) bool { return sign < 0 })},
	{"after", "晚于", "is after", fitTime, argMoment, false, checkTimes(func(sign int) bool { return sign > 0 })},
	{"on_workday", "在工作日", "is on a workday", fitTime, argFlag, false, checkWorkday},
	{"in_business_hours", "在工作时间", "is in business hours", fitTime, argFlag, false, checkBusinessHours},
	{"changed", "有变更", "changed", fitAll, argNone, false, checkChanged},
	{"changed_to", "变更为", "changed to", fitAll, argOne, false, checkChanged},
	{"changed_from", "不再是", "changed from", fitAll, argOne, false, checkChanged},
	{"changed_from_to", "变更：", "changed", fitAll, argFromTo, false, checkChanged},
	{"language_is", "语言是", "is in the language", fitText, argTexts, false, checkLanguage},
	{"exists", "存在", "exists", fitAll, argFlag, false, checkExists},
	{opKnown, "已知", "is known", fitAll, argFlag, false, checkKnown},
}

// opKnown is the one operator that turns an unknown fact into false.
const opKnown = "known"

// countOps are the operators that count takes.
var countOps = []string{"is", "is_not", "lt", "le", "gt", "ge", "between"}

// operatorsByName is the table by name.
var operatorsByName = func() map[string]*operator {
	out := make(map[string]*operator, len(operators))
	for i := range operators {
		out[operators[i].name] = &operators[i]
	}
	return out
}()

// OperatorInfo describes an operator for an editor.
type OperatorInfo struct {
	Name  string `json:"name"`
	ZH    string `json:"zh"`
	EN    string `json:"en"`
	Types []Type `json:"types"` // of facts that it is for; open fits all
	Takes string `json:"takes"` // none, flag, one, ordered, pair, moment, text, texts, pattern, addresses, list, window, age, from_to
	Count bool   `json:"count"` // also compares what count gives
}

// argumentNames are the names of the kinds of arguments.
var argumentNames = map[argument]string{
	argNone: "none", argFlag: "flag", argOne: "one", argOrdered: "ordered", argPair: "pair", argMoment: "moment", argText: "text", argTexts: "texts",
	argPattern: "pattern", argAddresses: "addresses", argList: "list", argWindow: "window", argAge: "age", argFromTo: "from_to",
}

// Operators lists the table in its order.
func Operators() []OperatorInfo {
	out := make([]OperatorInfo, 0, len(operators))
	for i := range operators {
		o := &operators[i]
		info := OperatorInfo{Name: o.name, ZH: o.zh, EN: o.en, Takes: argumentNames[o.takes], Count: slices.Contains(countOps, o.name)}
		for _, t := range []Type{TypeText, TypeNumber, TypeMoney, TypeTime, TypeBool, TypeAddress, TypeObject, TypeList} {
			if o.fits&fitOf[t] != 0 {
				info.Types = append(info.Types, t)
			}
		}
		out = append(out, info)
	}
	return out
}

// isChange reports whether an operator looks at a change.
func (o *operator) isChange() bool {
	switch o.name {
	case "changed", "changed_to", "changed_from", "changed_from_to":
		return true
	}
	return false
}
