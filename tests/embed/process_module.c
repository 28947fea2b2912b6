/* process_module.c: what process_main.c loads at run time. */
int process_module_add(void *numbers);

int process_module_add(void *arg)
{
	int *numbers = arg;

	numbers[2] = numbers[0] + numbers[1];
	return 1;
}
