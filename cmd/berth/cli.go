package main

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/jmespath/go-jmespath"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// cli is one run of the command line: its streams, and the options that every command has.
type cli struct {
	in                                   io.Reader
	out, err                             io.Writer
	inTerminal, outTerminal, errTerminal bool

	output, queryText, dataDir, subscription string
	onlyErrors, debug                        bool
	outputAsked                              bool   // the output format was named
	language                                 string // of sentences; English when empty
	query                                    *jmespath.JMESPath
}

func newCLI(stdin io.Reader, stdout, stderr io.Writer) *cli {
	return &cli{
		in: stdin, out: stdout, err: stderr, inTerminal: isTerminal(stdin), outTerminal: isTerminal(stdout),
		errTerminal: isTerminal(stderr), language: languageOf(os.Getenv),
	}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// execute runs one command line and answers the exit code.
func (c *cli) execute(ctx context.Context, args []string) int {
	root := c.root()
	root.SetArgs(args)
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	return c.exitCode(root.ExecuteContext(ctx))
}

var outputs = []string{"json", "jsonc", "yaml", "table", "tsv", "none"}

// root is the whole tree of commands.
func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use: "berth", Short: "Inference clusters you run yourself, spoken to as Azure",
		Long: "Berth is a control plane for machine-learning inference clusters that you run yourself: Azure Resource Manager on the\n" +
			"outside, real Kubernetes on the inside. `berth serve` runs it; the other commands use it, in the grammar of az.",
		Version: wholeVersion(), SilenceErrors: true, SilenceUsage: true, Args: noArguments, RunE: showHelp,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			c.outputAsked = cmd.Flags().Changed("output")
			return c.checkGlobals()
		},
	}
	f := root.PersistentFlags()
	f.StringVarP(&c.output, "output", "o", "json", "output format: "+strings.Join(outputs, ", "))
	f.StringVar(&c.queryText, "query", "", "JMESPath query applied to the result before it is printed")
	f.BoolVar(&c.onlyErrors, "only-show-errors", false, "no progress and no warnings, only errors")
	f.BoolVar(&c.debug, "debug", false, "show requests and answers, without their secrets")
	f.StringVar(&c.dataDir, "data-dir", "", "data folder of the server to talk to [$BERTH_DATA_DIR]")
	f.StringVar(&c.subscription, "subscription", "", "subscription id [$BERTH_SUBSCRIPTION_ID]")
	root.SetGlobalNormalizationFunc(oldNames)
	root.SetVersionTemplate("berth {{.Version}}\n")
	root.SetFlagErrorFunc(flagFault)
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	root.AddCommand(c.groupCommand(), c.mlCommand(), c.aksCommand(), c.clusterCommand(), c.operationCommand(), c.monitorCommand(),
		c.accountCommand(), c.vmCommand(), c.adCommand(), c.roleCommand(), c.adminCommand(), c.studioCommand(), c.envCommand(),
		c.configureCommand(), c.loginCommand(), versionCommand(), c.serveCommand(), c.demoCommand(), c.doctorCommand(), c.imageCommand(),
		c.kubeloginCommand(), c.manCommand())
	strict(root)
	c.completeValues(root)
	return root
}

// strict makes every command refuse arguments that it does not know; cobra ignores them.
func strict(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		if sub.HasSubCommands() {
			sub.Args, sub.RunE = noArguments, showHelp
		} else if sub.Args == nil {
			sub.Args = noArguments
		}
		strict(sub)
	}
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasSubCommands() {
		return usage("unrecognized arguments: %s", strings.Join(args, " "))
	}
	message := "'" + args[0] + "' is no command of '" + cmd.CommandPath() + "'."
	if like := likeCommands(cmd, args[0]); len(like) > 0 {
		message += " Did you mean " + strings.Join(like, " or ") + "?"
	}
	return usage("%s", message)
}

// shortNames are the other names that the CLI v1 has for options.
var shortNames = map[string]string{
	"subscription-id": "subscription", "ct": "compute-target", "cc": "cpu-cores", "ccl": "cpu-cores-limit", "gb": "memory-gb",
	"gbl": "memory-gb-limit", "nr": "num-replicas", "es": "entry-script", "sd": "source-directory", "cf": "conda-file",
	"ev": "environment-version", "ic": "inference-config-file", "dc": "deploy-config-file", "model-path": "path",
	"cp": "compute-type", "vn": "version-name", "tp": "traffic-percentile", "cvt": "control-version-type",
}

// oldNames accepts the option names of the CLI v1.
func oldNames(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if long := shortNames[name]; long != "" {
		name = long
	}
	return pflag.NormalizedName(name)
}

func (c *cli) checkGlobals() error {
	if !slices.Contains(outputs, c.output) {
		return usage("--output must be one of %s, not '%s'", strings.Join(outputs, ", "), c.output)
	}
	if c.queryText == "" {
		return nil
	}
	var err error
	if c.query, err = jmespath.Compile(c.queryText); err != nil {
		return usage("--query is not a JMESPath expression: %v", err)
	}
	return nil
}

// command is a command that takes options only.
func command(use, short string, run func(ctx context.Context) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context()) }}
}

// family is a command that only holds others.
func family(use, short string, of ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	cmd.AddCommand(of...)
	return cmd
}

// flagAlias accepts the name that a flag had in earlier versions.
func flagAlias(cmd *cobra.Command, old, name string) {
	cmd.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, typed string) pflag.NormalizedName {
		if typed == old {
			typed = name
		}
		return pflag.NormalizedName(typed)
	})
}
