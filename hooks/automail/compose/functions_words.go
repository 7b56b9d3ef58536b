package compose

import (
	"maps"
	"slices"
)

// FunctionInfo is a function of templates, for an editor.
type FunctionInfo struct{ Name, Usage, Zh, En string }

// functionWords say what functions do.
var functionWords = map[string][2]string{
	"default": {"没有值时用", "where there is no value"}, "upper": {"转大写", "in capitals"}, "lower": {"转小写", "in small letters"}, "title": {"首字母大写", "capital first letters"},
	"trim": {"去掉首尾空白", "without blanks at the ends"}, "cut": {"截断到若干字", "so many characters"}, "nl2br": {"保留换行", "with its line ends in HTML"},
	"link": {"链接", "a link"}, "number": {"数字格式", "a number with digits"}, "money": {"金额格式", "an amount of money"}, "plus": {"加", "plus"}, "minus": {"减", "minus"},
	"times": {"乘", "times"}, "plural": {"单复数", "singular or plural"}, "date": {"日期格式", "a date"}, "count": {"个数", "how many"}, "first": {"第一个", "the first"},
	"last": {"最后一个", "the last"}, "join": {"连接", "joined"}, "split": {"拆分", "split"}, "list": {"列表", "a list"}, "table": {"表格", "a table"},
	"eq": {"等于", "equal to"}, "ne": {"不等于", "not equal to"}, "gt": {"大于", "more than"}, "lt": {"小于", "less than"}, "not": {"非", "not"}, "and": {"且", "and"}, "or": {"或", "or"},
}

// Functions lists the functions of templates by name.
func Functions() []FunctionInfo {
	var out []FunctionInfo
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		w := functionWords[name]
		out = append(out, FunctionInfo{name, functions[name].usage, w[0], w[1]})
	}
	return out
}
