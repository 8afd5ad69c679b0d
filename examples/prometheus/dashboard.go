package main

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// What {of} and {call} in an expression stand for: the series that the variables choose.
var choosing = strings.NewReplacer(
	"{call}", `job=~"$job",instance=~"$instance",profile=~"$profile"`,
	"{of}", `job=~"$job",instance=~"$instance"`,
	"{profile}", `job=~"$job",profile=~"$profile"`,
)

// source is the Prometheus that the reader chooses.
var source = common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("$datasource")}

// query is one expression and how its series are called.
type query struct{ expr, legend string }

// target is the i-th query of a panel.
func (q query) target(i int) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().RefId(string(rune('A' + i))).Datasource(source).Expr(choosing.Replace(q.expr)).LegendFormat(q.legend)
}

// The rest of the units are Grafana's own.
const perMinute = "suffix:/min"

const (
	green  = "green"
	yellow = "yellow"
	red    = "red"
)

// steps are colours from values on; the first one is the colour below all of them.
func steps(first string, then ...dashboard.Threshold) *dashboard.ThresholdsConfigBuilder {
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).
		Steps(append([]dashboard.Threshold{{Color: first}}, then...))
}

func from(value float64, colour string) dashboard.Threshold {
	return dashboard.Threshold{Value: &value, Color: colour}
}

// words show numbers as words.
func words(of map[string]dashboard.ValueMappingResult) []dashboard.ValueMapping {
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: of}}}
}

func word(text, colour string) dashboard.ValueMappingResult {
	return dashboard.ValueMappingResult{Text: &text, Color: &colour}
}

var (
	breakerWords = words(map[string]dashboard.ValueMappingResult{"0": word("closed", green), "1": word("half open", yellow), "2": word("open", red)})
	wellWords    = words(map[string]dashboard.ValueMappingResult{"0": word("no", red), "1": word("yes", green)})
)

// number is a panel that shows the last value large.
func number(title, help, unit string, width uint32, q query) *stat.PanelBuilder {
	return stat.NewPanelBuilder().Title(title).Description(help).Datasource(source).Unit(unit).Height(5).Span(width).
		GraphMode(common.BigValueGraphModeArea).ColorMode(common.BigValueColorModeValue).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Thresholds(steps(green)).WithTarget(q.target(0))
}

// lines is a panel that shows values over time.
func lines(title, help, unit string, queries ...query) *timeseries.PanelBuilder {
	p := timeseries.NewPanelBuilder().Title(title).Description(help).Datasource(source).Unit(unit).Height(8).Span(8).Min(0).
		LineWidth(1).FillOpacity(8).ShowPoints(common.VisibilityModeNever).Thresholds(steps(green)).NoValue("none").
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	for i, q := range queries {
		p.WithTarget(q.target(i))
	}
	return p
}

// stacked is lines on top of each other, whose sum means something.
func stacked(title, help, unit string, q query) *timeseries.PanelBuilder {
	return lines(title, help, unit, q).FillOpacity(40).Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal))
}

// spread is how a histogram is spread, over all that are chosen. A Prometheus that takes native
// buckets can have no classic ones.
func spread(title, help, histogram, only, by string) *timeseries.PanelBuilder {
	grouped := ""
	if by != "" {
		grouped = " by (" + by + ") "
	}
	of := func(q, name string) query {
		classic := "histogram_quantile(" + q + ", sum by (" + strings.TrimPrefix(by+", le", ", ") + ") (rate(" + histogram + "_bucket{{of}" + only + "}[$__rate_interval])))"
		native := "histogram_quantile(" + q + ", sum" + grouped + "(rate(" + histogram + "{{of}" + only + "}[$__rate_interval])))"
		return query{classic + " or " + native, name}
	}
	if by != "" {
		return lines(title, help, "s", of("0.99", "{{"+by+"}}"))
	}
	return lines(title, help, "s", of("0.99", "99 of 100"), of("0.95", "95 of 100"), of("0.5", "half"))
}

// states is a panel of what something was over time, in words.
func states(title, help string, mean []dashboard.ValueMapping, q query) *statetimeline.PanelBuilder {
	return statetimeline.NewPanelBuilder().Title(title).Description(help).Datasource(source).Height(8).Span(8).Mappings(mean).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds)).Thresholds(steps(green)).
		MergeValues(true).ShowValue(common.VisibilityModeNever).NoValue("none").WithTarget(q.target(0))
}

// rows is a panel of the labels of series.
func rows(title, help string, width, height uint32, hidden []string, q query) *table.PanelBuilder {
	exclude := map[string]bool{"Time": true, "Value": true, "__name__": true}
	for _, name := range hidden {
		exclude[name] = true
	}
	return table.NewPanelBuilder().Title(title).Description(help).Datasource(source).Height(height).Span(width).NoValue("none").
		WithTarget(q.target(0).Instant().Format(prometheus.PromQueryFormatTable)).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{"excludeByName": exclude}})
}

// choice is a variable of what can be chosen of a label.
func choice(name, label, values, all string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(source).
		Query(dashboard.StringOrMap{String: &values}).Definition(values).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc).
		Multi(true).IncludeAll(true).AllValue(all).
		Current(dashboard.VariableOption{
			Selected: cog.ToPtr(true),
			Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
			Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
		})
}

// moment marks when something happened that a gauge has the time of.
func moment(name, colour, expr, text string) *dashboard.AnnotationQueryBuilder {
	return dashboard.NewAnnotationQueryBuilder().Name(name).Datasource(source).Enable(true).IconColor(colour).
		Expr(choosing.Replace(expr)).UseValueForTime(true).Step("60s").TitleFormat(text)
}
