package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// CreateUser makes a person who signs in with a password.
func (c *Client) CreateUser(ctx context.Context, upn, name, password string) (out Object, err error) {
	err = c.Post(ctx, graphPath+"/users", Object{"userPrincipalName": upn, "displayName": name, "accountEnabled": true,
		"passwordProfile": Object{"password": password}}, &out)
	return out, err
}

// Users lists the people.
func (c *Client) Users(ctx context.Context) ([]Object, error) { return c.List(ctx, graphPath+"/users") }

// Groups lists the groups of outside providers.
func (c *Client) Groups(ctx context.Context) ([]Object, error) {
	return c.List(ctx, graphPath+"/groups")
}

// User is the person with an object id or a user principal name.
func (c *Client) User(ctx context.Context, id string) (Object, error) {
	return c.object(ctx, userPath(id))
}

func userPath(id string) string { return graphPath + "/users/" + url.PathEscape(id) }

// GroupsOf lists the groups of a person.
func (c *Client) GroupsOf(ctx context.Context, id string) ([]Object, error) {
	return c.List(ctx, userPath(id)+"/memberOf")
}

// UpdateUser changes properties of a person, as Microsoft Graph names them.
func (c *Client) UpdateUser(ctx context.Context, id string, body Object) error {
	_, err := c.Patch(ctx, userPath(id), body, nil)
	return err
}

// EndSignIns ends the sign-ins of a person.
func (c *Client) EndSignIns(ctx context.Context, id string) error {
	return c.Post(ctx, userPath(id)+"/revokeSignInSessions", nil, nil)
}

// DeleteUser deletes a person.
func (c *Client) DeleteUser(ctx context.Context, id string) error {
	_, err := c.Delete(ctx, userPath(id))
	return err
}

// Group is the group with an object id, with its members.
func (c *Client) Group(ctx context.Context, id string) (Object, error) {
	path := graphPath + "/groups/" + url.PathEscape(id)
	group, err := c.object(ctx, path)
	if err != nil {
		return nil, err
	}
	group["members"], err = c.List(ctx, path+"/members")
	return group, err
}

// Principal is the application, the person or the group with an id; nil when there is none. An application is found by its client id
// too, a person by its user principal name.
func (c *Client) Principal(ctx context.Context, id string) (Object, error) {
	found, err := c.Applications(ctx, strings.ToLower(id))
	if err != nil || len(found) > 0 {
		return first(found), err
	}
	for _, path := range []string{userPath(id), graphPath + "/groups/" + url.PathEscape(id)} {
		o, err := c.object(ctx, path)
		if err == nil || StatusOf(err) != http.StatusNotFound {
			return o, err
		}
	}
	return nil, nil
}

func first(all []Object) Object {
	if len(all) == 0 {
		return nil
	}
	return all[0]
}
