package daemon

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

var shots = flag.String("status-shots", "", "write pictures of the status page into this folder")

// browser starts a headless Chromium.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium here: the status page is not looked at in a browser")
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// The page in a browser: it follows what happens by itself, keeps what somebody opened and
// where the focus is, breaks no rule of its own policy, fits a phone, and says when it is old.
func TestStatusInABrowser(t *testing.T) {
	b := serveStatus(t, 4, time.Minute)
	b.show(busyFacts(t))
	ctx := browser(t)
	if err := chromedp.Do(ctx); err != nil { // start it
		t.Fatal(err)
	}
	var said sync.WaitGroup
	listening, hush := context.WithCancel(ctx)
	console := chromedp.Console(listening)
	said.Go(func() {
		for m, err := range console {
			if err != nil {
				return
			}
			t.Errorf("the console: %s %s", m.Type, m.Text)
		}
	})
	look(t, ctx, b.url, 390, "dark")
	value := func(expression, want string) {
		t.Helper()
		got, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String("+expression+")"))
		if err != nil || got != want {
			t.Errorf("%s = %q, want %q (%v)", expression, got, want, err)
		}
	}
	until := func(expression string) {
		t.Helper()
		if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(15*time.Second))); err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
	}
	value(`document.querySelector('h1').textContent`, "Callers get texts.")
	value(`document.title`, "texts go out · deflectd")
	value(`document.querySelectorAll('script').length`, "1")
	value(`typeof boom + window.wasRun`, "undefinedundefined")
	value(`getComputedStyle(document.body).backgroundColor`, "rgb(19, 22, 25)")
	const overflow = `document.documentElement.scrollWidth > document.documentElement.clientWidth`
	value(overflow, "false")

	// What is to be opened can be, by the keyboard alone, and all that has the focus shows it.
	order := []string{}
	for range 8 {
		if err := chromedp.Do(ctx, chromedp.KeyEvent(kb.Tab)); err != nil {
			t.Fatal(err)
		}
		at, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(() => { const e = document.activeElement; return e.tagName + ':' + (getComputedStyle(e).outlineStyle !== 'none') })()`))
		if err != nil {
			t.Fatal(err)
		}
		order = append(order, at)
		if at == "SUMMARY:true" {
			if err := chromedp.Do(ctx, chromedp.KeyEvent(kb.Enter)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff([]string{"SUMMARY:true", "DIV:true", "SUMMARY:true", "PRE:true", "A:true", "A:true", "A:true"}, order[:7]); diff != "" {
		t.Errorf("what the tab key reaches (-want +got):\n%s", diff)
	}
	value(`document.querySelectorAll('details[open]').length`, "2")
	value(overflow, "false")
	if err := chromedp.Do(ctx, chromedp.Focus(chromedp.CSS("#minutes summary"))); err != nil {
		t.Fatal(err)
	}

	broken := brokenFacts(t)
	const hostile = `<img src=x onerror="boom()"><script>boom()</script>`
	broken.unwritten = errors.New(hostile)
	broken.ended(59, hostile, deflect.Sent, deflect.ReasonOK, 1)
	broken.away = []string{hostile}
	b.show(broken)
	until(`document.querySelector('h1').textContent.startsWith('No texts: the API fails')`)
	value(`document.title`, "NO TEXTS · deflectd")
	value(`document.querySelectorAll('details[open]').length`, "2")
	value(`document.activeElement.tagName`, "SUMMARY")
	value(`document.querySelectorAll('.notes li').length`, "5")
	value(`document.querySelectorAll('main img, main script').length + ' ' + (document.querySelector('main').textContent.split('onerror').length - 1)`, "0 4")
	value(overflow, "false")
	// Headings, names of tables and regions are there for who does not see the page.
	value(`document.querySelectorAll('h1').length + ' ' + [...document.querySelectorAll('section')].every(s => s.getAttribute('aria-label') || document.getElementById(s.getAttribute('aria-labelledby')))`, "1 true")
	value(`document.querySelector('h1').getAttribute('role') + document.querySelector('h1').parentNode.getAttribute('role')`, "nullstatus") // a heading, that is read out when it changes
	value(`[...document.querySelectorAll('th')].every(h => h.scope) && [...document.querySelectorAll('svg')].every(s => s.getAttribute('aria-hidden'))`, "true")
	value(`[...document.querySelectorAll('[id]')].every(e => document.querySelectorAll('#' + e.id).length === 1)`, "true")

	hush()
	said.Wait()
	if *shots != "" {
		pictures(t, ctx, *shots)
		look(t, ctx, b.url, 390, "dark")
	}
	b.page.close()
	b.srv.Close()
	until(`document.documentElement.classList.contains('stale')`)
	until(`document.title === '? NO TEXTS · deflectd' && document.getElementById('link').textContent.startsWith('Not live')`)

	// Without scripts it is a picture of a moment, and says so.
	plain := serveStatus(t, 1, time.Minute)
	plain.show(quietFacts(t))
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(plain.url)); err != nil {
		t.Fatal(err)
	}
	text, err := chromedp.Run(ctx, chromedp.TextContent(chromedp.CSS("body")))
	if err != nil || !strings.Contains(text, "Callers can get texts.") || !strings.Contains(text, "A snapshot: load the page again") {
		t.Errorf("without scripts: %v\n%s", err, text)
	}
}

// pictures writes what the page looks like, and that of the README.
func pictures(t *testing.T, ctx context.Context, folder string) {
	b := serveStatus(t, 4, time.Minute)
	for name, f := range map[string]*facts{"idle": quietFacts(t), "busy": busyFacts(t), "broken": brokenFacts(t)} {
		b.show(f)
		for _, scheme := range []string{"light", "dark"} {
			for wide, width := range map[string]int64{"desktop": 1280, "phone": 390} {
				look(t, ctx, b.url, width, scheme)
				for file, picture := range map[string]chromedp.Action[[]byte]{
					name + "-" + scheme + "-" + wide + ".png":     chromedp.FullScreenshot(100),
					name + "-" + scheme + "-" + wide + "-top.png": chromedp.CaptureScreenshot(),
				} {
					png, err := chromedp.Run(ctx, picture)
					if err == nil {
						err = os.WriteFile(filepath.Join(folder, file), png, 0o644)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

// look opens the page.
func look(t *testing.T, ctx context.Context, url string, width int64, scheme string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 840)); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](`document.getElementById('link').textContent === 'Live'`)); err != nil {
		t.Fatal(err)
	}
}
