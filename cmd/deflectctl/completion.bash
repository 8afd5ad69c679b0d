# source <(deflectctl completion bash)
_deflectctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} line
	[[ $cur == "=" ]] && cur=
	COMPREPLY=()
	while IFS= read -r line; do
		if [[ $line != ":files" ]]; then
			COMPREPLY+=("$line")
			continue
		fi
		compopt -o filenames 2>/dev/null
		while IFS= read -r line; do
			COMPREPLY+=("$line")
		done < <(compgen -f -- "$cur")
	done < <("${COMP_WORDS[0]/#\~/$HOME}" complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _deflectctl deflectctl
