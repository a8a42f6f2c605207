package kube

import (
	"encoding/json"
	"math"

	quantity "k8s.io/apimachinery/pkg/api/resource"
)

// amount is a quantity as a cluster writes it: "4", "250m", "16Gi". One that no machine has counts as the most that one can
// have, so that sums over many nodes stay numbers.
type amount struct{ quantity.Quantity }

// maxAmount is how many characters a quantity may have: its parser takes long for what is longer, such as large exponents.
const maxAmount = 24

// UnmarshalJSON implements json.Unmarshaler.
func (a *amount) UnmarshalJSON(text []byte) error {
	if len(text) > maxAmount+2 {
		return nonsense("the cluster sent a quantity of %d characters", len(text))
	}
	var s string
	if json.Unmarshal(text, &s) != nil {
		s = string(text) // a number
	}
	if s == "null" || s == "" {
		return nil
	}
	for i, c := range s {
		if c == 'e' || c == 'E' {
			if len(s)-i > 4 { // "e+18" is the largest that makes sense; "E" alone is a suffix
				return nonsense("the cluster sent the quantity %q", s)
			}
			break
		}
	}
	q, err := quantity.ParseQuantity(s)
	if err != nil {
		return nonsense("the cluster sent the quantity %q, which is none", s)
	}
	a.Quantity = q
	return nil
}

// most is more than any machine has, of anything that is counted.
const most = math.MaxInt32

func (a amount) whole() int { return int(min(max(a.Value(), 0), most)) }

func (a amount) milli() int { return int(min(max(a.MilliValue(), 0), most)) }

func (a amount) mebi() int { return int(min(max(a.Value(), 0)>>20, most)) }
