package main

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-analyze/charts"

	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
)

// The charts library writes text into its SVG as it is. Only our own words, counts
// and times may get into a chart.

const (
	funnelHeight  = 300
	timeHeight    = 320
	hourlyAtMost  = 3 * 24 * time.Hour // longer spans are shown by day
	timeLineSlots = 120                // more cannot be told apart
)

// chartSizes are the widths that charts are drawn in, by the class that shows one of
// them: text gets smaller with its chart, and on a telephone it could not be read.
var chartSizes = []struct {
	class string
	width int
}{{"wide", 960}, {"narrow", 420}}

var chartColors = []charts.Color{
	charts.ColorFromHex("#1f5fa8"), charts.ColorFromHex("#d97a00"), charts.ColorFromHex("#2c8a4b"),
}

func chartTheme() charts.ColorPalette {
	return charts.MakeTheme(charts.ThemeOption{
		AxisStrokeColor:    charts.ColorFromHex("#8a93a0"),
		AxisSplitLineColor: charts.ColorFromHex("#e3e7ec"),
		BackgroundColor:    charts.ColorFromHex("#ffffff"),
		TextColor:          charts.ColorFromHex("#1c2733"),
		SeriesColors:       chartColors,
	})
}

// funnelChart draws how many calls reached each stage.
func funnelChart(f funnel.Funnel) (template.HTML, error) {
	var counts []float64
	var labels []string
	for _, s := range slices.Backward(f.Stages) { // horizontal bars are drawn from below
		if !s.Untold {
			counts, labels = append(counts, float64(s.Calls)), append(labels, stageNames[s.Stage])
		}
	}
	opt := charts.NewBarChartOptionWithData([][]float64{counts})
	opt.Horizontal = true
	opt.Theme = chartTheme()
	opt.Legend.Show = charts.Ptr(false)
	opt.CategoryAxis.Labels = labels
	opt.CategoryAxis.LabelFontStyle = charts.NewFontStyleWithSize(12)
	// The bars carry their numbers.
	opt.ValueAxis = []charts.ValueAxisOption{{Show: charts.Ptr(false), Min: charts.Ptr(0.0)}}
	opt.SeriesList[0].Label = charts.SeriesLabel{
		Show: charts.Ptr(true), FontStyle: charts.NewFontStyleWithSize(12),
		ValueFormatter: func(v float64) string { return fmt.Sprintf("%.0f (%s)", v, percent(int(v), f.Calls)) },
	}
	opt.Padding = charts.NewBox(10, 10, 10, 10)
	return drawn("Calls by stage", funnelHeight, func(p *charts.Painter) error {
		opt := opt
		// The label of a bar is beside it, and the longest bar has no room there.
		opt.Padding.Right += textWidth(p, opt.SeriesList[0].Label.ValueFormatter(slices.Max(counts)), 12)
		return p.BarChart(opt)
	})
}

// timeLine draws the counts over time, and says in which steps.
func timeLine(r *reportResult) (svg template.HTML, step string, err error) {
	slots, step := timeSlots(r)
	if len(slots) < 2 {
		return "", step, nil // a point is no line
	}
	var names []string
	for _, c := range r.counts() {
		names = append(names, c.name)
	}
	series := make([][]float64, len(names))
	labels := make([]string, len(slots))
	for i, s := range slots {
		for n, count := range s.counts {
			series[n] = append(series[n], float64(count))
		}
		labels[i] = s.start.Format("Mon 15:04")
		if step != "hour" {
			labels[i] = s.start.Format("Jan 2")
		}
	}
	opt := charts.NewLineChartOptionWithData(series)
	opt.Theme = chartTheme()
	opt.Legend.SeriesNames = names
	opt.Legend.FontStyle = charts.NewFontStyleWithSize(12)
	opt.XAxis.Labels = labels
	opt.XAxis.LabelFontStyle = charts.NewFontStyleWithSize(11)
	opt.YAxis = []charts.YAxisOption{countAxis(slices.Max(series[0]))}
	opt.LineStrokeWidth = 2.5
	opt.Padding = charts.NewBox(10, 10, 30, 10)
	svg, err = drawn(capital(list(names, "and"))+" by "+step, timeHeight, func(p *charts.Painter) error {
		opt := opt
		opt.XAxis.Labels, opt.XAxis.LabelCount = labels, len(labels)
		// The library has labels between two ticks, and the points with them, where there
		// is room, else at the ticks. It must be told, or it may decide the two apart.
		roomy := (p.Width()-150)/len(labels) > 40
		opt.XAxis.BoundaryGap = &roomy
		opt.XAxis.Labels = spaced(labels, roomy, p.Width(), func(s string) int { return textWidth(p, s, 11) })
		return p.LineChart(opt)
	})
	return svg, step, err
}

// spaced leaves of labels as many as fit beside each other on an axis, at equal
// distances. Where there is no room between ticks they begin at theirs.
func spaced(labels []string, roomy bool, width int, measure func(string) int) []string {
	longest := 0
	for _, l := range labels {
		longest = max(longest, measure(l))
	}
	slot := float64(width-150) / float64(len(labels)) // at least
	every := int(math.Ceil(float64(longest+20) / slot))
	out := make([]string, len(labels))
	for i := 0; i < len(labels); i += every {
		if roomy || slot*float64(len(labels)-1-i) >= float64(longest) {
			out[i] = labels[i]
		}
	}
	return out
}

// timeSlot is what was counted in one step of the time-line, by the columns that count.
type timeSlot struct {
	start  time.Time
	counts []int
}

// timeSlots are the hours or days of the span, also those without calls. Where a
// long span has too many, several days are one; the first slot may be cut, but the
// last one, which people look at, is whole.
func timeSlots(r *reportResult) (slots []timeSlot, step string) {
	by, step, days := funnel.ByHour, "hour", 0
	from := r.From.In(r.Zone)
	if r.To.Sub(r.From) > hourlyAtMost {
		by, step, days = funnel.ByDay, "day", 1
	}
	start := by.Start(from)
	if by == funnel.ByDay {
		all := 0
		for t := start; t.Before(r.To); t = startOfDay(t, 1) {
			all++
		}
		if all > timeLineSlots {
			days = (all + timeLineSlots - 1) / timeLineSlots
			step = fmt.Sprintf("%d days", days)
			start = startOfDay(from, -(days-all%days)%days)
		}
	}
	groups := funnel.By(r.Calls, by, r.Zone)
	for t := start; t.Before(r.To); {
		next := t.Add(time.Hour)
		if by == funnel.ByDay {
			next = startOfDay(t, days)
		}
		slot := timeSlot{start: t, counts: make([]int, len(r.counts()))}
		for _, g := range groups {
			if !g.Start.IsZero() && !g.Start.Before(t) && g.Start.Before(next) {
				for i, c := range r.counts() {
					slot.counts[i] += c.count(g.Funnel)
				}
			}
		}
		slots = append(slots, slot)
		t = next
	}
	return slots, step
}

// startOfDay is when the day begins that comes so many days after that of t.
func startOfDay(t time.Time, later int) time.Time {
	return funnel.ByDay.Start(time.Date(t.Year(), t.Month(), t.Day()+later, 12, 0, 0, 0, t.Location()))
}

// countAxis is an axis of whole numbers from 0: there are no half calls.
func countAxis(most float64) charts.YAxisOption {
	axis := charts.YAxisOption{
		Min: charts.Ptr(0.0), LabelFontStyle: charts.NewFontStyleWithSize(11),
		ValueFormatter: func(v float64) string {
			if v != math.Trunc(v) {
				return ""
			}
			return fmt.Sprintf("%.0f", v)
		},
	}
	if most < 8 { // or most steps would be fractions
		most = max(most, 1)
		axis.Max, axis.LabelCount, axis.PreferNiceIntervals = charts.Ptr(most), int(most)+1, charts.Ptr(false)
		axis.RangeValuePaddingScale = charts.Ptr(0.0)
	}
	return axis
}

// drawn returns a chart as SVG that takes the width of the page, once for each size.
func drawn(title string, height int, draw func(*charts.Painter) error) (template.HTML, error) {
	var all strings.Builder
	for _, size := range chartSizes {
		p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: size.width, Height: height})
		if err := draw(p); err != nil {
			return "", fmt.Errorf("draw the chart: %w", err)
		}
		svg, err := p.Bytes()
		if err != nil {
			return "", fmt.Errorf("draw the chart: %w", err)
		}
		_, inside, ok := strings.Cut(string(svg), ">")
		if !ok {
			return "", fmt.Errorf("draw the chart: %q is no SVG", svg)
		}
		fmt.Fprintf(&all, `<svg class="%s" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">%s`,
			size.class, size.width, height, html.EscapeString(title), fitted(p, inside))
	}
	return template.HTML(all.String()), nil
}

// chartText is a text in a chart: attributes, size in pixels, and itself.
var chartText = regexp.MustCompile(`<text ([^>]*font-size:([0-9.]+)px[^>]*)>([^<]*)</text>`)

// fitted makes every text as wide as the chart was laid out for, whatever font a browser
// has: another one's letters may be wider, and would be cut off or run into each other.
func fitted(p *charts.Painter, svg string) string {
	return chartText.ReplaceAllStringFunc(svg, func(text string) string {
		m := chartText.FindStringSubmatch(text)
		pixels, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return text
		}
		return fmt.Sprintf(`<text textLength="%d" lengthAdjust="spacingAndGlyphs" %s>%s</text>`, textWidth(p, m[3], pixels/pixelsPerPoint), m[1], m[3])
	})
}

// pixelsPerPoint is what the charts library draws a point of text as.
const pixelsPerPoint = 92.0 / 72

// textWidth is how wide a chart takes a text to be.
func textWidth(p *charts.Painter, text string, points float64) int {
	return p.MeasureText(text, 0, charts.FontStyle{FontSize: points, FontColor: charts.ColorBlack}).Width()
}
