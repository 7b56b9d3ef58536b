package extract

import (
	"strconv"
	"strings"
)

var chineseDigits = map[rune]int64{
	'零': 0, '〇': 0, '一': 1, '壹': 1, '二': 2, '两': 2, '贰': 2, '貳': 2, '三': 3, '叁': 3, '叄': 3, '四': 4, '肆': 4, '五': 5, '伍': 5,
	'六': 6, '陆': 6, '陸': 6, '七': 7, '柒': 7, '八': 8, '捌': 8, '九': 9, '玖': 9,
}

var chinesePlaces = map[rune]int64{'十': 10, '拾': 10, '百': 100, '佰': 100, '千': 1000, '仟': 1000}

var chineseGroups = map[rune]int64{'万': 1e4, '萬': 1e4, '亿': 1e8, '億': 1e8}

// chineseNumber reads 十五, 一百二十, 壹万贰仟叁佰.
func chineseNumber(s string) (int64, bool) {
	var sum, group, digit int64
	digit = -1
	for _, r := range s {
		if d, ok := chineseDigits[r]; ok {
			if digit > 0 {
				return 0, false
			}
			digit = d
			continue
		}
		if p, ok := chinesePlaces[r]; ok {
			if digit < 0 {
				digit = 1
			}
			group += digit * p
			digit = -1
			continue
		}
		g, ok := chineseGroups[r]
		if !ok {
			return 0, false
		}
		group += max(digit, 0)
		if g == 1e8 && sum > 0 {
			sum = (sum + group) * g
		} else {
			sum += group * g
		}
		group, digit = 0, -1
		if sum > 1e16 || sum < 0 {
			return 0, false
		}
	}
	sum += group + max(digit, 0)
	return sum, s != "" && sum <= 1e16
}

// chineseYear reads 二〇二六.
func chineseYear(s string) (int, bool) {
	n := 0
	for _, r := range s {
		d, ok := chineseDigits[r]
		if !ok || n > 999 {
			return 0, false
		}
		n = n*10 + int(d)
	}
	return n, n >= 1000
}

// capitalCents reads an amount in capitals, in cents.
func capitalCents(whole, rest string) (string, bool) {
	n, ok := chineseNumber(strings.TrimRight(whole, "元圆圓"))
	if !ok {
		return "", false
	}
	cents, digit := int64(0), int64(0)
	for _, r := range rest {
		switch r {
		case '角':
			cents, digit = cents+digit*10, 0
		case '分':
			cents, digit = cents+digit, 0
		case '整', '正':
		default:
			digit = chineseDigits[r]
		}
	}
	return strconv.FormatInt(n*100+cents, 10), true
}
