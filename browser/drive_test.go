package browser

import (
	"context"
	"fmt"
	"time"

	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// The actions below find their element by a script in the page at every try. chromedp's own selectors look it up in a copy of the page's
// tree, and that copy may stay behind for good when the page is replaced while it is read: a click then waits until its time is over.

// find is the script of an element: selector is CSS, or XPath when it begins with a slash.
func find(selector string) string {
	if selector[0] == '/' {
		return fmt.Sprintf("document.evaluate(%q, document, null, XPathResult.FIRST_ORDERED_NODE_TYPE).singleNodeValue", selector)
	}
	return fmt.Sprintf("document.querySelector(%q)", selector)
}

// wait evaluates the body of a function of the element e until it returns something, into out. Errors are tried again: the page may be
// on its way to another one.
func wait[T any](selector, body string, out *T) chromedp.Action {
	script := fmt.Sprintf("(e => { if (!e) return null; %s })(%s)", body, find(selector))
	return chromedp.ActionFunc(func(ctx context.Context) error {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			var got *T
			if err := chromedp.Evaluate(script, &got).Do(ctx); err == nil && got != nil {
				if out != nil {
					*out = *got
				}
				return nil
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("%s was not there: %w", selector, ctx.Err())
			}
		}
	})
}

// press clicks with the mouse in the middle of an element, once it is there, may be used and does not move. A page that renews itself may
// move it all the same while the click is on its way: then it is clicked again.
func press(selector string) chromedp.Action {
	const middle = `e.scrollIntoView({block: 'center', behavior: 'instant'});
		const r = e.getClientRects()[0] ?? {}, x = r.left + r.width / 2, y = r.top + r.height / 2, at = x + ' ' + y;
		const still = e.pressedAt === at, hit = document.elementFromPoint(x, y);
		e.pressedAt = at;
		const of = (at) => at && (e.contains(at) || at.contains(e));
		if (!still || e.disabled || !r.width || !of(hit)) return null;
		window.pressed = 'nothing';
		window.addEventListener('mousedown', (event) => { window.pressed = of(event.target) ? 'it' : 'another' }, {capture: true, once: true});
		let scripts = false; // where they are disabled no page renews itself, and no listener is called
		window.addEventListener('pressing', () => { scripts = true }, {once: true});
		window.dispatchEvent(new Event('pressing'));
		if (!scripts) window.pressed = 'it';
		return [x, y];`
	return chromedp.ActionFunc(func(ctx context.Context) error {
		for {
			var at []float64
			if err := wait(selector, middle, &at).Do(ctx); err != nil {
				return err
			}
			if err := chromedp.MouseClickXY(at[0], at[1]).Do(ctx); err != nil {
				return err
			}
			pressed := "it" // also when the page is on its way to another one
			if err := chromedp.Evaluate("window.pressed ?? 'it'", &pressed).Do(ctx); err != nil || pressed == "it" {
				return ctx.Err()
			}
		}
	})
}

// visible waits until an element is shown.
func visible(selector string) chromedp.Action {
	return wait[bool](selector, "return e.checkVisibility() || null", nil)
}

// goes waits until an element is gone from a page that is shown.
func goes(selector string) chromedp.Action {
	return wait[bool]("main", fmt.Sprintf("return !%s || null", find(selector)), nil)
}

// keys types into a field by the keyboard, after what it holds.
func keys(selector, text string) chromedp.Action {
	const focus = "if (!e.checkVisibility() || e.disabled) return null; e.focus(); return document.activeElement === e || null"
	return chromedp.Tasks{wait[bool](selector, focus, nil), chromedp.ActionFunc(func(ctx context.Context) error {
		return input.InsertText(text).Do(ctx)
	})}
}

// set gives a field its value without typing.
func set(selector, value string) chromedp.Action {
	return wait[bool](selector, fmt.Sprintf("e.value = %q; return true", value), nil)
}

// submit sends a form without its button and without the browser's own checks.
func submit(selector string) chromedp.Action {
	return wait[bool](selector, "HTMLFormElement.prototype.submit.call(e); return true", nil)
}

// read is a property of an element.
func read(selector, property string, out *string) chromedp.Action {
	return wait(selector, fmt.Sprintf("return e[%q]", property), out)
}

// upload chooses files of the disk in a file field.
func upload(selector string, files ...string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		if err := wait[bool](selector, "return true", nil).Do(ctx); err != nil {
			return err
		}
		field, _, err := runtime.Evaluate(find(selector)).Do(ctx)
		if err != nil {
			return err
		}
		return dom.SetFileInputFiles(files).WithObjectID(field.ObjectID).Do(ctx)
	})
}
