package fieldmap

import (
	"fmt"
	"time"
)

// DateFormat is how a time is written. The decoder of the configuration refuses unknown ones.
type DateFormat string

// The formats. Where none says otherwise they are texts.
const (
	RFC3339       DateFormat = "rfc3339"        // 2026-03-04T05:06:07Z, with +08:00 in another zone
	RFC3339Millis DateFormat = "rfc3339_ms"     // 2026-03-04T05:06:07.000Z
	ISOOffset     DateFormat = "iso_offset"     // 2026-03-04T05:06:07+00:00, never Z
	ISOBasic      DateFormat = "iso_ms_offset"  // 2026-03-04T05:06:07.000+0000
	ISOLocal      DateFormat = "iso_local"      // 2026-03-04T05:06:07, without zone
	DateTime      DateFormat = "datetime"       // 2026-03-04 05:06:07
	DateMinutes   DateFormat = "datetime_short" // 2026-03-04 05:06
	DateOnly      DateFormat = "date"           // 2026-03-04
	DateSlashes   DateFormat = "date_slashes"   // 2026/03/04
	DateCompact   DateFormat = "date_compact"   // 20260304
	TimeOnly      DateFormat = "time"           // 05:06
	Unix          DateFormat = "unix"           // a number: seconds since 1970
	UnixMillis    DateFormat = "unix_ms"        // a number: milliseconds since 1970
)

// Allowed returns all formats.
func (DateFormat) Allowed() []string {
	return []string{
		string(RFC3339), string(RFC3339Millis), string(ISOOffset), string(ISOBasic), string(ISOLocal), string(DateTime),
		string(DateMinutes), string(DateOnly), string(DateSlashes), string(DateCompact), string(TimeOnly), string(Unix), string(UnixMillis),
	}
}

// layout returns the layout of package time; nothing for numbers and unknown formats.
func (f DateFormat) layout() string {
	switch f {
	case RFC3339:
		return time.RFC3339
	case RFC3339Millis:
		return "2006-01-02T15:04:05.000Z07:00"
	case ISOOffset:
		return "2006-01-02T15:04:05-07:00"
	case ISOBasic:
		return "2006-01-02T15:04:05.000-0700"
	case ISOLocal:
		return "2006-01-02T15:04:05"
	case DateTime:
		return time.DateTime
	case DateMinutes:
		return "2006-01-02 15:04"
	case DateOnly:
		return time.DateOnly
	case DateSlashes:
		return "2006/01/02"
	case DateCompact:
		return "20060102"
	case TimeOnly:
		return "15:04"
	}
	return ""
}

// Format writes a time in a zone: a string, or an int64 for the formats that are numbers.
func (f DateFormat) Format(t time.Time, zone *time.Location) (any, error) {
	switch f {
	case Unix:
		return t.Unix(), nil
	case UnixMillis:
		return t.UnixMilli(), nil
	}
	layout := f.layout()
	if layout == "" {
		return nil, fmt.Errorf("%q is not a date format", string(f))
	}
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format(layout), nil
}
