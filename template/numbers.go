package template

import (
	"errors"
	"math"
)

var numberFunctions = map[string]function{
	"add": {2, 2, arithmetic(func(a, b int64) (int64, bool) { c := a + b; return c, (c > a) == (b > 0) || b == 0 })},
	"sub": {2, 2, arithmetic(func(a, b int64) (int64, bool) { c := a - b; return c, (c < a) == (b > 0) || b == 0 })},
	"mul": {2, 2, arithmetic(func(a, b int64) (int64, bool) {
		c := a * b
		return c, a == 0 || (c/a == b && (a != -1 || b != math.MinInt64))
	})},
	"div": {2, 2, arithmetic(func(a, b int64) (int64, bool) {
		if b == 0 || a == math.MinInt64 && b == -1 {
			return 0, false
		}
		return a / b, true
	})},
	"mod": {2, 2, arithmetic(func(a, b int64) (int64, bool) {
		if b == 0 || b == -1 {
			return 0, b == -1
		}
		return a % b, true
	})},
	"min": {1, -1, extreme(func(a, b int64) bool { return a < b })},
	"max": {1, -1, extreme(func(a, b int64) bool { return a > b })},
}

func arithmetic(f func(a, b int64) (int64, bool)) func(*env, []any) (any, error) {
	return func(_ *env, args []any) (any, error) {
		a, errA := integer(args[0])
		b, errB := integer(args[1])
		if err := errors.Join(errA, errB); err != nil {
			return nil, err
		}
		c, fits := f(a, b)
		if !fits {
			return nil, errors.New("the calculation divides by zero, or its result is too large")
		}
		return c, nil
	}
}

// extreme takes numbers, or one array of them.
func extreme(better func(a, b int64) bool) func(*env, []any) (any, error) {
	return func(_ *env, args []any) (any, error) {
		if all, isList := args[0].([]any); isList && len(args) == 1 {
			args = all
		}
		if len(args) == 0 {
			return nil, errors.New("the array is empty")
		}
		best, err := integer(args[0])
		for _, v := range args {
			n, e := integer(v)
			if err = errors.Join(err, e); err != nil {
				return nil, err
			}
			if better(n, best) {
				best = n
			}
		}
		return best, nil
	}
}
