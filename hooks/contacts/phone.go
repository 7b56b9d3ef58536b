package contacts

import (
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/unicode/norm"
)

// maxPhoneText is longer than any way to write a number, with names for its extension.
const maxPhoneText = 100

// Phone returns a phone number as E.164 has it, such as +8613800138000. A number without a country code
// is one of the region (ISO 3166, such as CN). Extensions are left out. ok is false for what is no number that
// can be dialled.
func Phone(text, region string) (e164 string, ok bool) {
	if len(text) > maxPhoneText {
		return "", false
	}
	text = strings.TrimSpace(norm.NFKC.String(text)) // full-width digits
	for _, mark := range []string{"转", "轉", "分机"} {  // the library knows the western ones
		text, _, _ = strings.Cut(text, mark)
	}
	digits := 0
	for _, r := range text {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	if digits < 5 { // an extension inside a company
		return "", false
	}
	number, err := phonenumbers.Parse(text, region)
	if err != nil || !phonenumbers.IsPossibleNumber(number) || !phonenumbers.IsValidNumber(number) {
		return "", false
	}
	return phonenumbers.Format(number, phonenumbers.E164), true
}

// isMobile tells whether a number in the form of Phone is one person's rather than an office's.
func isMobile(e164 string) bool {
	number, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return false
	}
	kind := phonenumbers.GetNumberType(number)
	return kind == phonenumbers.MOBILE || kind == phonenumbers.FIXED_LINE_OR_MOBILE
}

// nationalDigits returns a number in the form of Phone as it is dialled inside its country.
func nationalDigits(e164 string) string {
	number, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, phonenumbers.Format(number, phonenumbers.NATIONAL))
}
