package arm

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// filter is the part of OData that Berth supports: comparisons joined by "and", and substringof on the name.
type filter struct {
	typ, name, part, group string
	tagName, tagValue      string
	location               string
}

// term is one comparison, or substringof, with the "and" before the next one. A quote inside a value is doubled.
var term = regexp.MustCompile(`(?i)^(?:(resourceType|name|resourceGroup|tagName|tagValue|location)\s+eq\s+'((?:[^']|'')*)'` +
	`|substringof\('((?:[^']|'')*)',\s*name\))(?:\s+and\s+|$)`)

func parseFilter(text string) (filter, error) {
	var f filter
	for rest := strings.TrimSpace(text); rest != ""; {
		m := term.FindStringSubmatch(rest)
		if m == nil {
			return f, berth.Errorf(berth.CodeInvalidFilter,
				"The $filter cannot be read from %q on. Compare resourceType, name, resourceGroup, location, tagName or tagValue by eq with a "+
					"value in single quotes, and join the comparisons by and.", rest)
		}
		rest = rest[len(m[0]):]
		if m[1] == "" {
			f.part = unquote(m[3])
			continue
		}
		*map[string]*string{
			"resourcetype": &f.typ, "name": &f.name, "resourcegroup": &f.group,
			"tagname": &f.tagName, "tagvalue": &f.tagValue, "location": &f.location,
		}[strings.ToLower(m[1])] = unquote(m[2])
	}
	return f, nil
}

func unquote(s string) string { return strings.ReplaceAll(s, "''", "'") }

func (f filter) matches(r *berth.Resource) bool {
	equal := func(want, have string) bool { return want == "" || strings.EqualFold(want, have) }
	return equal(f.typ, r.ID.Type()) && equal(f.name, r.ID.Name()) && equal(f.location, r.Location) &&
		strings.Contains(strings.ToLower(r.ID.Name()), strings.ToLower(f.part)) && f.matchesTags(r.Tags)
}

func (f filter) matchesTags(tags map[string]string) bool {
	if f.tagName == "" {
		return f.tagValue == ""
	}
	for name, value := range tags {
		if strings.EqualFold(name, f.tagName) && (f.tagValue == "" || value == f.tagValue) {
			return true
		}
	}
	return false
}

// top reads $top: the maximum number of resources on a page; 0 when the request does not have it.
func top(q *request) (int, error) {
	text := q.param("$top")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, berth.Errorf(berth.CodeInvalidRequest, "$top is %q; it must be a whole number from 1 to %d.", text, store.MaxPage)
	}
	return n, nil
}

// activityTerm is one comparison of the filter of the activity log.
var activityTerm = regexp.MustCompile(`(?i)^(?:(eventTimestamp)\s+(ge|le)\s+'?([0-9][0-9T:.Z+-]*)'?` +
	`|(correlationId|resourceGroupName|resourceId|resourceUri|resourceProvider|caller|status)\s+eq\s+'((?:[^']|'')*)')(?:\s+and\s+|\s*$)`)

// activityFilter reads the filter of the activity log. Azure requires the time from which it is read, and so does Berth.
func activityFilter(text string) (f store.ActivityQuery, err error) {
	for rest := strings.TrimSpace(text); rest != ""; {
		m := activityTerm.FindStringSubmatch(rest)
		if m == nil {
			return f, berth.Errorf(berth.CodeInvalidFilter, "The $filter of the activity log cannot be read from %.200q on. Compare "+
				"eventTimestamp by ge and le with a time, and correlationId, resourceGroupName, resourceId, resourceUri, resourceProvider, "+
				"caller or status by eq with a value in single quotes, and join the comparisons by and.", rest)
		}
		rest = rest[len(m[0]):]
		if m[1] == "" {
			*map[string]*string{"correlationid": &f.Correlation, "resourcegroupname": &f.Group, "resourceid": &f.Resource,
				"resourceuri": &f.Resource, "resourceprovider": &f.Provider, "caller": &f.Caller, "status": &f.Status,
			}[strings.ToLower(m[4])] = unquote(m[5])
			continue
		}
		at, err := activityTime(m[3])
		if err != nil {
			return f, err
		}
		if strings.EqualFold(m[2], "ge") {
			f.From = at
		} else {
			f.To = at
		}
	}
	if f.From.IsZero() {
		return f, berth.Errorf(berth.CodeInvalidFilter, "The $filter of the activity log lacks the time from which to read. Begin it with "+
			"\"eventTimestamp ge 2026-11-01T00:00:00Z\".")
	}
	return f, nil
}

// activityTime reads a time; without a zone it is UTC, as az writes it.
func activityTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, berth.Errorf(berth.CodeInvalidFilter, "'%.60s' is not a time. Write it as 2026-11-01T00:00:00Z.", text)
}
