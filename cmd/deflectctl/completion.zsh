#compdef deflectctl
# source <(deflectctl completion zsh), after compinit
_deflectctl() {
	local -a found
	found=(${(f)"$(${(Q)~words[1]} complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)"})
	[[ $words[CURRENT] == --*=* ]] && compset -P '--*='
	if [[ $found[1] == ":files" ]]; then
		_files
	else
		compadd -a found
	fi
}
if [[ $funcstack[1] == _deflectctl ]]; then
	_deflectctl "$@"
else
	compdef _deflectctl deflectctl
fi
