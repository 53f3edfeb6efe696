/* Sorting by column, and hiding what belongs to other classes. The page is complete without it. */
(function(){'use strict';
var $=function(id){return document.getElementById(id);};
document.documentElement.classList.add('js');
function say(text){var o=$('said');if(o)o.textContent=text;}
function key(row,col){var cell=row.cells[col],v=cell.getAttribute('data-v');
  if(v===null)v=cell.textContent.trim();
  if(v==='')return null;
  var n=Number(v);return isNaN(n)?v.toLowerCase():n;}
function sort(th){var table=th.closest('table'),body=table.tBodies[0],col=th.cellIndex;
  var now=th.getAttribute('aria-sort'),text=!th.classList.contains('n');
  var up=now?now==='descending':text;
  table.querySelectorAll('th[aria-sort]').forEach(function(o){
    o.removeAttribute('aria-sort');});
  th.setAttribute('aria-sort',up?'ascending':'descending');
  var rows=Array.prototype.slice.call(body.rows).map(function(r,i){
    return {row:r,key:key(r,col),at:i};});
  rows.sort(function(a,b){
    if(a.key===null||b.key===null)return (a.key===null)-(b.key===null)||a.at-b.at;
    if(a.key===b.key)return a.at-b.at;
    return (a.key<b.key?-1:1)*(up?1:-1);});
  var all=document.createDocumentFragment();
  rows.forEach(function(r){all.appendChild(r.row);});body.appendChild(all);
  say('Sorted by '+th.textContent+(up?', ascending':', descending'));}
document.querySelectorAll('table.sortable thead button').forEach(function(b){
  b.addEventListener('click',function(){sort(b.closest('th'));});});
var box=$('filter'),group=$('filter-group'),list=$('class-list'),marked=null;
function filter(){
  var items=list.children,wanted=box.value.trim().toLowerCase(),n=0;
  if(!marked){marked=Array.prototype.map.call(items,function(){return [];});
    document.querySelectorAll('[data-k]').forEach(function(e){
      var to=marked[e.getAttribute('data-k')];if(to)to.push(e);});}
  for(var k=0;k<items.length;k++){
    var hit=items[k].textContent.toLowerCase().indexOf(wanted)>=0&&
      (!group||group.value===''||items[k].getAttribute('data-g')===group.value);
    if(hit)n++;
    marked[k].forEach(function(e){
      if(e.namespaceURI==='http://www.w3.org/2000/svg')e.classList.toggle('off',!hit);
      else e.hidden=!hit;});}
  $('shown').textContent=n===items.length?'':n+' of '+items.length+' classes';}
if(box&&list){box.addEventListener('input',filter);
  if(group)group.addEventListener('change',filter);}
})();
