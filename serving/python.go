package serving

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

var pythonClause = regexp.MustCompile(`^(>=|<=|!=|~=|==|=|<|>)?\s*(\d+)(?:\.(\d+)(\.\d+)?)?`)

// fits reports whether a Python, such as "3.11", is one that is asked for: by a version ("3.8.13"), or by bounds (">=3.9,<3.12"). The last
// part of a version does not count: a base image has the newest one of its distribution.
func fits(asked, python string) bool {
	have := pythonClause.FindStringSubmatch(python)
	if have == nil {
		return false
	}
	for clause := range strings.SplitSeq(asked, ",") {
		m := pythonClause.FindStringSubmatch(strings.TrimSpace(clause))
		if m == nil || !clauseFits(m, have) {
			return false
		}
	}
	return true
}

// clauseFits compares major and minor version by one clause.
func clauseFits(asked, have []string) bool {
	order := cmp.Compare(number(have[2]), number(asked[2]))
	sameMajor := order == 0
	if sameMajor && asked[3] != "" {
		order = cmp.Compare(number(have[3]), number(asked[3]))
	}
	exact := asked[4] != "" // down to the last part
	switch asked[1] {
	case ">=", ">":
		return order >= 0
	case "<=":
		return order <= 0
	case "<":
		return order < 0 || order == 0 && exact
	case "!=":
		return order != 0 || exact
	case "~=":
		return sameMajor && order >= 0 && (order == 0 || !exact)
	}
	return order == 0
}

func number(digits string) int {
	n, _ := strconv.Atoi(digits) // of digits, or none
	return n
}
