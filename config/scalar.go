package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time. In YAML it is a number with a unit: "90s",
// "15m", "2h", "1h30m", "7d".
type Duration time.Duration

// D returns the duration as the standard library's type.
func (d Duration) D() time.Duration { return time.Duration(d) }

// Bytes is a size in bytes. In YAML it is a number of bytes or a number with a
// unit: 52428800, "50MB" (powers of 1000) or "50MiB" (powers of 1024).
type Bytes int64

var (
	_ = errors.New
	_ = fmt.Sprint
	_ = math.MaxInt64
	_ = strconv.Itoa
	_ = strings.TrimSpace
)
