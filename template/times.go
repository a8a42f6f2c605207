package template

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var timeFunctions = map[string]function{
	"datetimeadd": {2, 3, dateTimeAdd},
	"datetimefromepoch": {1, 1, func(_ *env, a []any) (any, error) {
		n, err := integer(a[0])
		return time.Unix(n, 0).UTC().Format(time.RFC3339), err
	}},
	"datetimetoepoch": {1, 1, func(_ *env, a []any) (any, error) {
		s, err := text(a[0])
		if err != nil {
			return nil, err
		}
		t, err := parseTime(s)
		return t.Unix(), err
	}},
}

// utcNow is the time at which the deployment was requested.
func utcNow(e *env, args []any) (any, error) {
	if !e.inDefault {
		return nil, errors.New("it can only be used in the default value of a parameter")
	}
	how := "yyyyMMddTHHmmssZ"
	if len(args) == 1 {
		var err error
		if how, err = text(args[0]); err != nil {
			return nil, err
		}
	}
	return formatTime(e.t.scope.Now.UTC(), how)
}

// standardFormats are .NET's formats of one letter.
var standardFormats = map[string]string{
	"d": "MM/dd/yyyy",
	"s": "yyyy-MM-ddTHH:mm:ss",
	"u": "yyyy-MM-dd HH:mm:ssZ",
	"o": "yyyy-MM-ddTHH:mm:ss.fffffffZ",
	"O": "yyyy-MM-ddTHH:mm:ss.fffffffZ",
	"T": "HH:mm:ss",
	"t": "HH:mm",
	"R": "ddd, dd MMM yyyy HH:mm:ss GMT",
	"r": "ddd, dd MMM yyyy HH:mm:ss GMT",
}

// tokens are the parts of .NET's custom formats, longest first.
var tokens = []struct {
	word  string
	write func(time.Time) string
}{
	{"yyyy", func(t time.Time) string { return fmt.Sprintf("%04d", t.Year()) }},
	{"yy", func(t time.Time) string { return fmt.Sprintf("%02d", t.Year()%100) }},
	{"MMMM", func(t time.Time) string { return t.Month().String() }},
	{"MMM", func(t time.Time) string { return t.Month().String()[:3] }},
	{"MM", func(t time.Time) string { return fmt.Sprintf("%02d", t.Month()) }},
	{"M", func(t time.Time) string { return strconv.Itoa(int(t.Month())) }},
	{"dddd", func(t time.Time) string { return t.Weekday().String() }},
	{"ddd", func(t time.Time) string { return t.Weekday().String()[:3] }},
	{"dd", func(t time.Time) string { return fmt.Sprintf("%02d", t.Day()) }},
	{"d", func(t time.Time) string { return strconv.Itoa(t.Day()) }},
	{"HH", func(t time.Time) string { return fmt.Sprintf("%02d", t.Hour()) }},
	{"H", func(t time.Time) string { return strconv.Itoa(t.Hour()) }},
	{"hh", func(t time.Time) string { return fmt.Sprintf("%02d", (t.Hour()+11)%12+1) }},
	{"mm", func(t time.Time) string { return fmt.Sprintf("%02d", t.Minute()) }},
	{"ss", func(t time.Time) string { return fmt.Sprintf("%02d", t.Second()) }},
	{"fffffff", func(t time.Time) string { return fmt.Sprintf("%07d", t.Nanosecond()/100) }},
	{"fff", func(t time.Time) string { return fmt.Sprintf("%03d", t.Nanosecond()/1_000_000) }},
	{"tt", func(t time.Time) string { return t.Format("PM") }},
}

// formatTime writes a time as .NET does.
func formatTime(t time.Time, how string) (string, error) {
	if standard, one := standardFormats[how]; one {
		how = standard
	}
	var b strings.Builder
next:
	for how != "" {
		if quote := how[0]; quote == '\'' || quote == '"' {
			end := strings.IndexByte(how[1:], quote)
			if end < 0 {
				return "", errors.New("a quote is not closed in the format of the time")
			}
			b.WriteString(how[1 : end+1])
			how = how[end+2:]
			continue
		}
		for _, token := range tokens {
			if rest, found := strings.CutPrefix(how, token.word); found {
				b.WriteString(token.write(t))
				how = rest
				continue next
			}
		}
		b.WriteByte(how[0])
		how = how[1:]
	}
	return b.String(), nil
}

// timeLayouts are the forms in which templates write times.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05Z", "2006-01-02 15:04:05Z07:00", "20060102T150405Z",
	"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02", "01/02/2006",
}

// parseTime reads a time in any of the timeLayouts, in UTC when it names no zone.
func parseTime(s string) (time.Time, error) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("the time is not in the form of ISO 8601, such as 2026-03-01T09:00:00Z")
}

var durationFormat = regexp.MustCompile(`^(-?)P(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,6})D)?` +
	`(?:T(?:(\d{1,8})H)?(?:(\d{1,8})M)?(?:(\d{1,8})S)?)?$`)

// dateTimeAdd adds a duration of ISO 8601, such as P3Y or -PT1H, and writes the time in the format of the third argument.
func dateTimeAdd(_ *env, args []any) (any, error) {
	s, err := texts(args)
	if err != nil {
		return nil, err
	}
	t, err := parseTime(s[0])
	if err != nil {
		return nil, err
	}
	m := durationFormat.FindStringSubmatch(s[1])
	if m == nil || strings.Trim(s[1], "-PT") == "" {
		return nil, errors.New("the duration is not in the form of ISO 8601, such as P1D or -PT90M")
	}
	sign := 1
	if m[1] != "" {
		sign = -1
	}
	n := func(i int) int {
		v, _ := strconv.Atoi(m[i]) // digits, or nothing
		return sign * v
	}
	clock := time.Duration(n(6))*time.Hour + time.Duration(n(7))*time.Minute + time.Duration(n(8))*time.Second
	t = t.AddDate(n(2), n(3), 7*n(4)+n(5)).Add(clock)
	how := "yyyy-MM-ddTHH:mm:ssZ"
	if len(s) == 3 {
		how = s[2]
	}
	return formatTime(t, how)
}
