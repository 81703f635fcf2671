"""Staging is keyed by root. What is staged goes, and imports that were reading or writing read their file anew."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('sync', '0005_pseudonyms'),
        ('tenancy', '0003_pseudonym_key'),
    ]

    operations = [
        migrations.AddField(
            model_name='importjob',
            name='in_order',
            field=models.BooleanField(default=True, help_text='so far roots and parents came by rising id'),
        ),
        migrations.AddField(
            model_name='importjob',
            name='last_parent',
            field=models.BigIntegerField(default=0, help_text='of the present file'),
        ),
        migrations.AddField(
            model_name='importjob',
            name='last_root',
            field=models.BigIntegerField(default=0, help_text='of the present file'),
        ),
        migrations.AddField(
            model_name='importjob',
            name='line_no',
            field=models.BigIntegerField(default=0, help_text='of the present file, as an editor counts'),
        ),
        migrations.AddField(
            model_name='importjob',
            name='lines_before',
            field=models.BigIntegerField(default=0, help_text='kept of files that broke off, in this run'),
        ),
        migrations.AddField(
            model_name='importjob',
            name='refused',
            field=models.JSONField(default=list, help_text='the first of those: line, reason, and what it looks like'),
        ),
        migrations.AddField(
            model_name='importjob',
            name='resume_from',
            field=models.BigIntegerField(default=0, help_text='roots with smaller ids are in; 0: none yet'),
        ),
        migrations.AlterField(
            model_name='importjob',
            name='lines_read',
            field=models.BigIntegerField(default=0, help_text='of the present file, blank ones not counted'),
        ),
        migrations.AlterField(
            model_name='importjob',
            name='exports',
            field=models.IntegerField(default=0, help_text='exports of this run that brought nothing'),
        ),
        migrations.DeleteModel(name='StagedRow'),
        migrations.CreateModel(
            name='StagedRow',
            fields=[
                ('pk', models.CompositePrimaryKey('job_id', 'root_id', 'line_no', blank=True, editable=False, primary_key=True, serialize=False)),
                ('root_id', models.BigIntegerField(help_text="of the root itself, or of the child's parent")),
                ('line_no', models.BigIntegerField()),
                ('child', models.BooleanField()),
                ('body', models.TextField(help_text='the line, without words that are not ours')),
                ('job', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='sync.importjob')),
                ('shop', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.shop')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.RunSQL(
            "update sync_importjob set state = 'waiting', operation_id = '', url = '', byte_offset = 0,"
            " lines_read = 0, lines_written = 0, written_to = 0, lines_total = null, partial = false"
            " where state in ('reading', 'writing')",
            migrations.RunSQL.noop,
        ),
    ]
