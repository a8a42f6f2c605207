package arm_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"berth.dev/berth/app/apptest"
	"berth.dev/berth/wire"
)

// spoken are the keys of answers at which sentences of Berth stand.
var spoken = []string{"message", "detail", "statusMessage", "berthNote", "unsupportedReason", "notes", "rights"}

// translates reports the sentences in an answer that have no Korean, or not for all of their words.
func (a *answer) translates() error {
	var v any
	if err := json.Unmarshal(wire.Korean([]byte(a.text)), &v); err != nil {
		return nil // no JSON, so no sentence
	}
	return translated(v, "")
}

func translated(v any, key string) error {
	switch v := v.(type) {
	case string:
		v = strings.ReplaceAll(v, "404 Not Found", "404") // the name of a status
		if slices.Contains(spoken, key) && apptest.EnglishIn(v) != "" {
			return fmt.Errorf("%s is not all Korean: %s", key, v)
		}
	case []any:
		for _, x := range v {
			if err := translated(x, key); err != nil {
				return err
			}
		}
	case object:
		for k, x := range v {
			if k == "tags" {
				continue // a caller's
			}
			if err := translated(x, k); err != nil {
				return err
			}
		}
	}
	return nil
}
