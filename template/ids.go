package template

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// resourceID is resourceId([subscription], [group], type, name…).
func resourceID(e *env, args []any) (any, error) {
	all, err := texts(args)
	if err != nil {
		return nil, err
	}
	at := 0
	for at < len(all) && !strings.Contains(all[at], "/") {
		at++
	}
	subscription, group := e.t.scope.SubscriptionID, e.t.scope.Group
	switch at {
	case 0:
	case 1:
		group = all[0]
	case 2:
		subscription, group = all[0], all[1]
	default:
		return nil, errors.New("a resource type such as 'Microsoft.Network/virtualNetworks' must be among the first three arguments")
	}
	root := "/subscriptions/" + subscription
	if group != "" {
		root += "/resourceGroups/" + group
	}
	return joinID(root, args[at:])
}

func subscriptionID(e *env, args []any) (any, error) {
	all, err := texts(args)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(all[0], "/") {
		return joinID("/subscriptions/"+all[0], args[1:])
	}
	return joinID("/subscriptions/"+e.t.scope.SubscriptionID, args)
}

func extensionID(_ *env, args []any) (any, error) {
	root, err := text(args[0])
	if err != nil {
		return nil, err
	}
	return joinID(root, args[1:])
}

// joinID puts a type and its names together: a/b/c with x and y is /providers/a/b/x/c/y.
func joinID(root string, args []any) (any, error) {
	all, err := texts(args)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("a resource type is missing")
	}
	all[0] = strings.TrimRight(all[0], "/") // Azure accepts 'Microsoft.X/y/'
	names := strings.Split(strings.Join(all[1:], "/"), "/")
	types := strings.Split(all[0], "/")
	if len(types)-1 != len(names) {
		return nil, fmt.Errorf("the type '%.120s' takes %d name(s), not %d", all[0], len(types)-1, len(names))
	}
	// Azure writes /providers/Microsoft.Resources/resourceGroups/{name} here, which no other place of Resource Manager does.
	if strings.EqualFold(all[0], "Microsoft.Resources/resourceGroups") {
		return root + "/resourceGroups/" + names[0], nil
	}
	return root + "/providers/" + typedPath(types, names), nil
}

func typedPath(types, names []string) string {
	var b strings.Builder
	b.WriteString(types[0])
	for i, n := range names {
		b.WriteString("/" + types[i+1] + "/" + n)
	}
	return b.String()
}

func newGUID(e *env, _ []any) (any, error) {
	if !e.inDefault {
		return nil, errors.New("it can only be used in the default value of a parameter")
	}
	return uuid.NewString(), nil
}
