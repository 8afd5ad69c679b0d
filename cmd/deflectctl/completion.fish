# deflectctl completion fish | source
function __deflectctl_complete
	set -l word (commandline -ct)
	set -l plain (string unescape -- "$word"); and set word $plain
	set -l words (commandline -opc) "$word"
	set -l program (string replace -r '^~' $HOME -- $words[1])
	set -l flag (string match -r -- '^--[^=]*=' "$word")
	for line in ($program complete $words[2..-1] 2>/dev/null)
		if test "$line" = ":files"
			for name in (__fish_complete_path (string replace -r -- '^--[^=]*=' '' "$word"))
				printf '%s\n' "$flag$name"
			end
		else
			printf '%s\n' "$flag$line"
		end
	end
end
complete -c deflectctl -f -a '(__deflectctl_complete)'
